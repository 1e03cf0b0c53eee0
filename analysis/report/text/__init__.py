"""Sentences, methods paragraphs, tables and published numbers.

Stands on results.
"""
