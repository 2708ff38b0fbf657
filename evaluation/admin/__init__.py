"""The evaluation's pages of the console: importing this package registers them with the admin site."""

from evaluation.admin import shadows

__all__ = ["shadows"]
