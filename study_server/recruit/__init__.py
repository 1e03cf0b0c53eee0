"""What the site knows of a recruitment panel's API: drafting, publishing, watching, paying.

It stands on `export` (what reconciliation suggests), `sessions`, `studies` and `storage`.
"""
