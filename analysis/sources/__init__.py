"""Anybody's file as a table of text, one row an answer: reading, reshaping, joining, filtering.

Stands on judgments and errors only.
"""
