"""Scores by class: accuracy of a classifier on the outputs, and CAS, a classifier trained on them.

Stands on networks, extraction and images.
"""
