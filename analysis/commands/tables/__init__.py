"""What several commands print alike: aligned tables, JSON, and studies of single images.

Stands on comparisons, rates and errors.
"""
