"""The WSGI application: gunicorn's settings, the app, what both the raters' and the researchers'
pages need.

Stands on export, sessions, studies and storage.
"""
