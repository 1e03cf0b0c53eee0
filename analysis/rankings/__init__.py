"""Models in order: from direct comparisons, and whether a metric orders them as people do.

Stands on rates, models, inference and judgments.
"""
