"""The evaluation's pages of the console: importing this package registers them, and fills trading's places."""

from evaluation.admin import asking, runs, shadows

__all__ = ["asking", "runs", "shadows"]
