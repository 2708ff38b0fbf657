"""One order at the broker: its attempts, its submission, and what the broker reports of it."""
