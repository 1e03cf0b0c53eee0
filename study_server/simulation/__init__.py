"""Simulated raters, who take a study over HTTP with a known truth.

Stands on web (to serve) and the package's doors.
"""
