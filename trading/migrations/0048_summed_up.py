from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models, transaction

ROWS_A_CHUNK = 5_000
# A decision's price never changes. The table's triggers note that facts of its decision have changed: none have.
FILL_PRICES = """
WITH chunk AS (SELECT id, decision_id FROM trades WHERE id > %(after)s ORDER BY id LIMIT %(rows)s),
done AS (
    UPDATE trades SET decision_price = ai_decisions.price
    FROM chunk JOIN ai_decisions ON ai_decisions.id = chunk.decision_id
    WHERE trades.id = chunk.id AND trades.decision_price IS NULL
)
SELECT max(id::text) FROM chunk
"""
# Of a row that is false where it may be true nothing is wrong: one that somebody books meanwhile says it by itself.
FILL_ALONE = """
WITH chunk AS (SELECT id FROM round_trips WHERE id > %(after)s ORDER BY id LIMIT %(rows)s),
done AS (
    UPDATE round_trips SET is_alone = true FROM chunk
    WHERE round_trips.id = chunk.id AND exit_order_id IS NOT NULL AND NOT is_alone AND NOT EXISTS (
        SELECT FROM round_trips AS other
        WHERE other.exit_order_id = round_trips.exit_order_id AND other.id <> round_trips.id
            AND other.entry_order_id IS NOT DISTINCT FROM round_trips.entry_order_id
            AND other.symbol = round_trips.symbol
            AND (round_trips.entry_order_id IS NOT NULL OR other.lot_number = round_trips.lot_number)
    )
)
SELECT max(id::text) FROM chunk
"""


def fill_prices(apps: Any, schema_editor: Any) -> None:
    """Fill the rows that are there."""
    triggers = "ALTER TABLE trades {} TRIGGER USER"
    _by_chunks(
        schema_editor, FILL_PRICES, before=triggers.format("DISABLE"), then=triggers.format("ENABLE")
    )


def fill_alone(apps: Any, schema_editor: Any) -> None:
    """Do the same for what is a trade alone, each chunk while nobody books: who does may add to one of its trades."""
    _by_chunks(schema_editor, FILL_ALONE, before="LOCK TABLE round_trips IN SHARE ROW EXCLUSIVE MODE")


def _by_chunks(schema_editor: Any, fill: str, *, before: str, then: str = "") -> None:
    """Fill each chunk in a transaction of its own: no row is locked for longer than that."""
    after: str | None = "00000000-0000-0000-0000-000000000000"
    with schema_editor.connection.cursor() as cursor:
        while after is not None:
            with transaction.atomic(using=schema_editor.connection.alias):
                cursor.execute(before)
                cursor.execute(fill, {"after": after, "rows": ROWS_A_CHUNK})
                (after,) = cursor.fetchone()
                if then:
                    cursor.execute(then)


class Migration(migrations.Migration):
    """What the report of performance need not look up and group any more; filled and built while others write."""

    atomic = False

    dependencies = [
        ('ai', '0009_costs_of_calls'),
        ('trading', '0047_decisions_of_call'),
    ]

    operations = [
        migrations.AddField(
            model_name='trade',
            name='decision_price',
            field=models.DecimalField(decimal_places=12, editable=False, max_digits=24, null=True),
        ),
        migrations.AddField(
            model_name='roundtrip',
            name='is_alone',
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.RunPython(fill_prices, migrations.RunPython.noop),
        migrations.RunPython(fill_alone, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name='cycle',
            index=models.Index(
                condition=models.Q(('reason', ''), ('started_by', ''), _negated=True),
                fields=['-started_at', '-id'],
                name='cycles_with_words',
            ),
        ),
        AddIndexConcurrently(
            model_name='roundtrip',
            index=models.Index(
                condition=models.Q(('exit_order__isnull', False), ('is_alone', False)),
                fields=['closed_at'],
                name='round_trips_grouped',
            ),
        ),
        AddIndexConcurrently(
            model_name='aidecision',
            index=models.Index(fields=['model_call', 'strategy'], name='decisions_by_call'),
        ),
        RemoveIndexConcurrently(model_name='aidecision', name='decisions_of_call'),
    ]
