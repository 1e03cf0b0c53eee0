"""Conditions compared: with each other, with one half, with real photos; what may be claimed.

Stands on rates, models, inference and judgments.
"""
