"""Faces: where a face's features lie, the maps that a net learns them from, and FSRNet.

Stands on nets, images, pixels and errors.
"""
