"""Management commands: `manage.py NAME`, thin around one service each."""
