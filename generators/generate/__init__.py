"""A configuration becomes a sealed run: the plan of its items, batches, shards on Ray.

Stands on methods and runs.
"""
