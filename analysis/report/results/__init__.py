"""What the document says, as data: results.json and how it is assembled.

Stands on no other room of the report.
"""
