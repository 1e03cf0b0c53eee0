"""Weights of foreign networks: where they are looked for, their digests, how to fetch them.

Stands on the package's doors only.
"""
