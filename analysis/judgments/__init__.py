"""Reading what people answered: judgments.csv, duels, the study's record, foreign tables.

Stands on errors only.
"""
