"""The rater's pages, from the link to the completion code, and the API that the trial page calls.

Stands on web's ground modules, sessions and storage.
"""
