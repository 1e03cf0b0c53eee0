"""What a study estimates: fool rates, comparisons, odds ratios, rankings, correlation with
metrics.

Stands on models, inference and judgments.
"""
