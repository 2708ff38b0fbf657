"""The evaluation's views."""
