"""Requests that are done once, however often they arrive."""

from django.conf import settings
from django.db import models


class RequestKey(models.Model):
    """A request that was sent with an ``Idempotency-Key``, and its answer once there is one.

    ``fingerprint`` is the SHA-256 of method, path and body. ``lease_until`` guards a request under way, which
    ``holder`` names: past it another one with the same key may do the work. ``status`` is null until it is done.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    holder = models.UUIDField()
    lease_until = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "request_keys"
        # Two requests with one key at the same moment: one inserts, the other is told.
        constraints = [models.UniqueConstraint(name="one_request_per_key", fields=["user", "key"])]
        # Read by the maintenance cycle, which deletes the old ones.
        indexes = [models.Index(fields=["created_at"], name="request_keys_created")]

    def __str__(self) -> str:
        return self.key


class UsedLink(models.Model):
    """A signed link that a person answered by; kept for a day, longer than any link is good for."""

    id = models.UUIDField(primary_key=True, editable=False)
    decision_id = models.UUIDField()
    used_at = models.DateTimeField(auto_now_add=True)
    used_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "used_links"

    def __str__(self) -> str:
        return f"{self.id} for {self.decision_id}"
