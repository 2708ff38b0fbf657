from decimal import Decimal
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q

ROWS_A_CHUNK = 5_000
# Booked for good: in the trade, and the saga, where there is one, complete. What is not stays 0 and is found again.
FILL = """
WITH chunk AS (SELECT id FROM orders WHERE id > %(after)s ORDER BY id LIMIT %(rows)s),
done AS (
    UPDATE orders SET booked_quantity = LEAST(orders.filled_quantity, trades.quantity)
    FROM chunk JOIN trades ON trades.order_id = chunk.id LEFT JOIN sagas ON sagas.order_id = chunk.id
    WHERE orders.id = chunk.id AND orders.booked_quantity = 0 AND orders.filled_quantity > 0
        AND (sagas.id IS NULL OR sagas.status = 'completed')
)
SELECT max(id::text) FROM chunk
"""


def fill(apps: Any, schema_editor: Any) -> None:
    """Fill the rows that are there, each chunk a transaction of its own: no row is locked for longer than that."""
    after: str | None = "00000000-0000-0000-0000-000000000000"
    with schema_editor.connection.cursor() as cursor:
        while after is not None:
            cursor.execute(FILL, {"after": after, "rows": ROWS_A_CHUNK})
            (after,) = cursor.fetchone()


class Migration(migrations.Migration):
    # A column with a constant default is added without writing a row; the index is built beside who writes.
    atomic = False

    dependencies = [
        ("trading", "0025_market_time_of_trades"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="booked_quantity",
            field=models.DecimalField(
                db_default=Decimal(0), decimal_places=9, default=Decimal(0), editable=False, max_digits=28
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                fields=["created_at"],
                name="orders_unbooked",
                condition=Q(filled_quantity__gt=F("booked_quantity")),
            ),
        ),
    ]
