"""The pages of the system itself: people and tokens, settings, schedule, messages in and out."""
