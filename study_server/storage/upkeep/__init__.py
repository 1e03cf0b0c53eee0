"""Keeping a database: backups, deleting what leads back to raters, whether it can store now.

Stands on the other modules of storage.
"""
