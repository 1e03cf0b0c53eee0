"""Facts about each rater, and the exclusion rules that were fixed beforehand.

Stands on inference and judgments.
"""
