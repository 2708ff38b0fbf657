"""A cycle's life: start, fetches, pauses, what a person does to it, and its end."""
