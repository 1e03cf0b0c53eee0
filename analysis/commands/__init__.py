"""What the analysis commands do: each reads a table, calls one room, prints a table or JSON.

Stands on planning, rates, raters, models, inference and judgments.
"""
