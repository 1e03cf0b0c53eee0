"""Images as metrics read them: decoding, and which output belongs to which reference.

Stands on the package's doors only.
"""
