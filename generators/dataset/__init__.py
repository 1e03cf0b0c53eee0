"""A folder or zip of photos becomes a run folder of real images.

Stands on runs.
"""
