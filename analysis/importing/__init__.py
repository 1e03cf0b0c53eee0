"""A foreign table as judgments.csv or comparisons.csv: columns, answers, ids, what is refused.

Stands on sources, judgments and errors.
"""
