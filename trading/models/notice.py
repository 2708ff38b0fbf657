"""What a person is told: what is being gathered, and the messages made of it."""

from django.db import models
from django.db.models import Q
from uuid6 import uuid7


class NoticeTopic(models.Model):
    """What a topic has to tell and has not yet; ``due_at`` is null where that is nothing.

    ``in_trouble``: trouble was told, and not yet that it is over. ``lines`` has each different line with how
    often it came.
    """

    topic = models.CharField(max_length=40, primary_key=True)
    title = models.CharField(max_length=200, blank=True)
    many = models.CharField(max_length=200, blank=True)
    advice = models.CharField(max_length=500, blank=True)
    severity = models.CharField(max_length=10, blank=True)
    count = models.PositiveIntegerField(default=0)
    lines = models.JSONField(default=list, blank=True)
    since = models.DateTimeField(null=True)
    over_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    in_trouble = models.BooleanField(default=False)

    class Meta:
        db_table = "notice_topics"

    def __str__(self) -> str:
        return f"{self.topic}: {self.count} to tell"


class NoticeMessage(models.Model):
    """A message on its way to every address, or what became of it.

    ``reached`` names the addresses that have it, by a keyed hash: addresses hold passwords; ``reached_at`` is when
    the last of them took it. ``error`` is what the last failed attempt said, ``failed_at`` when.
    """

    class Status(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        DROPPED = "dropped"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    topic = models.CharField(max_length=40)
    severity = models.CharField(max_length=10)
    title = models.CharField(max_length=250)
    body = models.TextField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    reached = models.JSONField(default=list, blank=True)
    reached_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)
    failed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "notice"
        db_table = "notice_messages"
        constraints = [
            models.CheckConstraint(
                name="ended_notice_has_time",
                condition=Q(status="waiting", ended_at__isnull=True)
                | (~Q(status="waiting") & Q(ended_at__isnull=False)),
            )
        ]
        indexes = [
            # Read by the notifier, every second.
            models.Index(fields=["next_attempt_at"], name="notices_waiting", condition=Q(status="waiting")),
            # Read by the console and doctor, and by maintenance, which forgets old ones.
            models.Index(fields=["-made_at"], name="notices_in_time"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.status})"
