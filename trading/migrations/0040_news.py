from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

NEWS = [
    "agent.entries_paused",
    "agent.entries_resumed",
    "agent.mode_set",
    "agent.trading_state_set",
    "books.differ",
    "clock.stepped",
    "cycle.fail",
    "disk.low",
    "kill_switch.engaged",
    "kill_switch.released",
    "kill_switch.sender_fenced",
    "lock.stuck",
    "order.reject",
    "saga.fail",
    "schedule.disabled",
    "schedule.enabled",
    "setting.changed",
    "strategy.changed",
    "strategy.created",
    "symbol_lock.locked",
    "symbol_lock.unlocked",
    "sync.overdue",
]


class Migration(migrations.Migration):
    """Find what is news without reading every event; built while others write."""

    atomic = False
    dependencies = [("trading", "0039_console_visits")]
    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                condition=models.Q(("type__in", NEWS)), fields=["-occurred_at"], name="events_news"
            ),
        ),
        AddIndexConcurrently(
            model_name="trade", index=models.Index(fields=["-booked_at"], name="trades_booked")
        ),
    ]
