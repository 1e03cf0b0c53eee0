"""How many raters and images a study needs.

Stands on rates, models and inference.
"""
