"""What is shown and answered: a study's trials, tokens and images; answers stored exactly once.

Stands on studies and storage.
"""
