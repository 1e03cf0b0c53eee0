"""A request becomes scores.json: what can be computed, one pass over the images, the values.

Stands on paired, distribution and classification.
"""
