"""Tokens of the API; their text is known to their holders alone."""

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """A token that stands for its user until it expires or is revoked.

    ``digest`` is the SHA-256 of the token's text, which is random enough to need no slower hash. ``prefix`` is its
    beginning, for people to know it by. ``last_used_at`` is exact to an hour.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=8)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, help_text="Empty: never.")
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=150, default="", blank=True)

    class Meta:
        db_table = "api_tokens"
        ordering = ("-created_at", "-id")
        verbose_name = "API token"
        permissions = (("revoke_apitoken", "Can revoke API tokens"),)

    def __str__(self) -> str:
        return f"{self.prefix}…"
