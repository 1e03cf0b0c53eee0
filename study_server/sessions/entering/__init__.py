"""Who enters: where raters come from, whose session it is, which block they hold, how they leave.

Stands on studies and storage.
"""
