"""Benchmarks: each measures beside its peer or limit in the same run, and prints a ratio."""
