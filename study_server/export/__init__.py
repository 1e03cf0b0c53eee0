"""What leaves the site: judgments with proof of completeness, other formats, pay.

Stands on sessions, studies and storage.
"""
