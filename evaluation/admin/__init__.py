"""The evaluation's pages of the console: importing this package registers them, and fills trading's places."""

from evaluation.admin import asking, calibration, outcomes, runs, shadows, trying

__all__ = ["asking", "calibration", "outcomes", "runs", "shadows", "trying"]
