"""Images become rows of features, each computed once and kept by content.

Stands on images.
"""
