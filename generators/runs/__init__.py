"""The run folder: written so that it can be resumed, sealed at the end, summed up in a table.

Stands on the package's doors only (manifest, pixels, errors).
"""
