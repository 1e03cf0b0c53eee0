"""The shipped test photos, and the programs that cut them from their sources.

Stands on dataset.
"""
