"""When each person was last at the console, for what is news to them."""

from django.conf import settings
from django.db import models


class ConsoleVisit(models.Model):
    """One person's visits: ``seen_at`` is the last use of the dashboard, ``since`` the end of the visit before."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    since = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "console_visits"

    def __str__(self) -> str:
        return f"{self.user_id} at {self.seen_at}"


class ConsolePreference(models.Model):
    """How one person wants the console; ``time_zone`` is a name of the zone database, "" for the browser's own."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    time_zone = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "console_preferences"

    def __str__(self) -> str:
        return f"{self.user_id}: {self.time_zone or 'as the browser'}"
