"""Simulated studies in which intervals, ranks and plans once went wrong, with a known truth."""
