"""Benchmarks of the study site: load, the dashboard, its peers."""
