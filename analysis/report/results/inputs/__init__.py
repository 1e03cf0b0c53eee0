"""What a report is given: judgments, runs, scores, and what was declared beforehand.

Stands on the schema of results.json, and on judgments.
"""
