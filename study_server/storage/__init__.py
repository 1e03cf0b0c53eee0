"""The database: tables, connections, migrations, backups, events. The only room that knows SQL
dialects.

Stands on the package's doors only.
"""
