"""What follows an engagement of the kill switch, and how far it has come."""

from django.db import models

from risk.models import KillSwitch


class SwitchFollowUp(models.Model):
    """How far one engagement has come after its flag; whatever has no time yet, the sweeper goes on with.

    A table of its own: the flag's row must never be locked by a transaction that somebody may keep open.
    Status row and event say the engagement (``announced_at``) and its release (``release_announced_at``); no sender
    from before it is left (``senders_ended_at``); the broker has been asked to cancel what opens positions after that
    (``cancelled_at``); the broker has said that nothing is held (``flattened_at``, where it was asked for).
    ``problems`` are those of the last round, in words.
    """

    engagement = models.OneToOneField(
        KillSwitch, primary_key=True, on_delete=models.PROTECT, related_name="follow_up"
    )
    announced_at = models.DateTimeField(null=True)
    senders_ended_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    flattened_at = models.DateTimeField(null=True)
    release_announced_at = models.DateTimeField(null=True)
    problems = models.JSONField(default=list)

    class Meta:
        db_table = "kill_switch_follow_ups"

    def __str__(self) -> str:
        return str(self.engagement_id)
