"""The researchers' pages: accounts, login, the dashboard, actions on a study.

Stands on web's ground modules, export, studies and storage.
"""
