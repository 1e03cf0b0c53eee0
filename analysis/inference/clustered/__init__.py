"""Shares of judgments that belong to raters and to images: variances, intervals, tests.

Stands on the errors only.
"""
