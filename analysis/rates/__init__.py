"""Fool rates: of conditions, of single raters and images, and sensitivity in 2AFC.

Stands on models, inference and judgments.
"""
