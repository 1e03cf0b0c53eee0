"""Models of trials: crossed mixed models, Bradley-Terry, variance components, simulation from a
model.

Stands on inference and judgments.
"""
