"""What the answers of a foreign table mean: words, numbers, counts, sides, and what is no answer.

Stands on judgments, sources and errors.
"""
