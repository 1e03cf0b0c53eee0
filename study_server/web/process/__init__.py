"""gunicorn's worker processes: connections that hold up no thread, images last, their log.

Knows nothing of studies.
"""
