"""Resampling as generators, without a net: interpolations that invent nothing, and the reduction.

Stands on the doors only.
"""
