"""What a setting is, and which belong together."""
