"""One rater's visit: the lease of a block, its trials, answers stored exactly once, withdrawal.

Stands on studies and storage.
"""
