"""Fool rates with effective n and design effect: of conditions, raters and images; d' in 2AFC.

Stands on models, inference and judgments.
"""
