"""Scores of a set against a set: Fréchet distances, KID, precision and recall, Inception Score.

Stands on networks and extraction.
"""
