"""Many writers at once: whose turn it is, and an answer's two statements without SQLAlchemy's work.

Stands on the errors only.
"""
