"""What a person has locked against entries."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from uuid6 import uuid7

from trading.domain.guards.facts import Lock


class SymbolLockQuerySet(models.QuerySet["SymbolLock"]):
    def in_force(self, market_time: datetime | None) -> "SymbolLockQuerySet":
        """Return the locks that hold at a market time; where that is not known, all that nobody has ended."""
        held = self.filter(ended_at__isnull=True)
        if market_time is None:
            return held
        return held.filter(Q(until__isnull=True) | Q(until__gt=market_time))


class SymbolLock(models.Model):
    """No entry in a symbol, from the time a person says so until ``until`` (market time; null: until it is unlocked).

    Exits of what is held go on. ``author`` locked it, ``ended_by`` unlocked it or put another lock in its place.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    symbol = models.CharField(max_length=32)
    reason = models.CharField(max_length=500, blank=True)
    author = models.CharField(max_length=150)
    until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True)

    objects = SymbolLockQuerySet.as_manager()

    class Meta:
        db_table = "symbol_locks"
        ordering = ["-created_at"]
        permissions = [("lock_symbol", "Can lock symbols against entries, and unlock them")]
        constraints = [
            # Also read by the gate: the locks that nobody has ended.
            models.UniqueConstraint(
                name="one_lock_per_symbol", fields=["symbol"], condition=Q(ended_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.symbol

    def is_in_force(self, market_time: datetime | None) -> bool:
        """Return the same of one as ``in_force`` of many."""
        is_over = market_time is not None and self.until is not None and self.until <= market_time
        return self.ended_at is None and not is_over

    @property
    def as_fact(self) -> Lock:
        """The lock as the rules take it."""
        return Lock(self.symbol, self.reason, self.author, self.created_at, self.until)
