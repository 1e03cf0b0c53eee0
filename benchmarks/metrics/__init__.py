"""Benchmarks of the metrics: single functions, whole runs, their peers."""
