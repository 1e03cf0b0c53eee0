"""A study before and around its raters: creation, the balanced design, stimuli, states.

Stands on storage.
"""
