"""The Django app of the ai room."""

from django.apps import AppConfig


class AiConfig(AppConfig):
    """Models that are asked, and the record of every call."""

    name = "ai"
    label = "ai"
    verbose_name = "AI"
    default_auto_field = "django.db.models.BigAutoField"
