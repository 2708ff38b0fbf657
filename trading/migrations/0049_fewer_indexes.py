from typing import Any

import django.db.models.deletion
from django.db import migrations, models

# Django adds one to each unique or referring column of text, for searches by a beginning: nobody makes any of these.
NEVER_SEARCHED = (
    "ai_decisions_record_id_1b454a7b_like",
    "fills_execution_id_32c9ea06_like",
    "orders_broker_order_id_7a40dc56_like",
    "positions_symbol_7f0325a4_like",
    "symbol_books_symbol_13259d6f_like",
)
# Of columns that a unique constraint begins with.
COVERED = {
    "ai_decisions_cycle_id_8bcc9069": ("ai_decisions", "cycle_id"),
    "market_snapshots_cycle_id_cd66ff82": ("market_snapshots", "cycle_id"),
    "saga_steps_saga_id_a69977bb": ("saga_steps", "saga_id"),
}
ONE_ORDER = models.UniqueConstraint(
    fields=("client_order_id",), name="one_order_per_client_order_id", opclasses=["varchar_pattern_ops"]
)


def _refers(to: str, related_name: str, on_delete: Any) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(db_index=False, on_delete=on_delete, related_name=related_name, to=to)


class Migration(migrations.Migration):
    """No index that another covers, or that nobody reads, in tables of which each order writes rows.

    Written out, so that they are built and dropped while others write, and no reference is checked anew. The orders'
    new index, which serves searches by a beginning, too, is there before the two that it takes the place of are gone.
    """

    atomic = False

    dependencies = [("trading", "0048_summed_up")]

    operations = [
        *(
            migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", migrations.RunSQL.noop)
            for name in NEVER_SEARCHED
        ),
        migrations.RunSQL(
            [
                "DROP INDEX CONCURRENTLY IF EXISTS one_order_per_client_order_id",  # of a build that was cut off
                "CREATE UNIQUE INDEX CONCURRENTLY one_order_per_client_order_id"
                " ON orders (client_order_id varchar_pattern_ops)",
            ],
            "DROP INDEX CONCURRENTLY one_order_per_client_order_id",
            [migrations.AddConstraint(model_name="order", constraint=ONE_ORDER)],
        ),
        migrations.RunSQL(
            "ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_client_order_id_key",
            "ALTER TABLE orders ADD CONSTRAINT orders_client_order_id_key UNIQUE (client_order_id)",
            [migrations.AlterField("order", "client_order_id", models.CharField(max_length=128))],
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS orders_client_order_id_d083b1e1_like", migrations.RunSQL.noop
        ),
        *(
            migrations.RunSQL(
                f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
                f"CREATE INDEX CONCURRENTLY {name} ON {table} ({column})",
            )
            for name, (table, column) in COVERED.items()
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "aidecision",
                    "cycle",
                    _refers("trading.cycle", "decisions", django.db.models.deletion.PROTECT),
                ),
                migrations.AlterField(
                    "marketsnapshot",
                    "cycle",
                    _refers("trading.cycle", "snapshots", django.db.models.deletion.CASCADE),
                ),
                migrations.AlterField(
                    "sagastep", "saga", _refers("trading.saga", "steps", django.db.models.deletion.CASCADE)
                ),
            ]
        ),
    ]
