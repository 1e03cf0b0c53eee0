"""The document: results as data, figures and sentences made from them, the page.

Stands on rates, raters, models, inference and judgments.
"""
