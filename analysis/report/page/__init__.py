"""The page: one self-contained HTML file, the PDF, the pictures embedded in them.

Stands on figures, text and results.
"""
