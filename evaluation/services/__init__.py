"""Use cases of the evaluation: what commands, pages and tasks call."""
