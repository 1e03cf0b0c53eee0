"""What the study commands do, one module per group of commands.

Stands on all other rooms.
"""
