"""What a person does to trading from a terminal: `manage.py NAME`, thin around one service each."""
