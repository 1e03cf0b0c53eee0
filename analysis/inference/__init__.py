"""Statistics that know no judgment: two-way variances, bootstraps, permutations, multiplicity.

Stands on errors only.
"""
