"""What a researcher watches of a study under way: judgments kept in memory, counts, panels.

Stands on export's rules and storage.
"""
