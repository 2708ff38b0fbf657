from django.db import migrations, models
from django.db.models.functions import Now

# No word of a decision's stages changes by it, so nothing is noted to be read anew.
DATE_BY_FILLS = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE trades DISABLE TRIGGER USER;
UPDATE trades SET booked_at = traded_at, traded_at = COALESCE(
    (SELECT max(executed_at) FROM fills WHERE fills.order_id = trades.order_id), traded_at);
ALTER TABLE trades ENABLE TRIGGER USER;
"""
DATE_BY_BOOKING = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE trades DISABLE TRIGGER USER;
UPDATE trades SET traded_at = booked_at;
ALTER TABLE trades ENABLE TRIGGER USER;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0024_determinism"),
    ]

    operations = [
        migrations.AddField(
            model_name="trade",
            name="booked_at",
            field=models.DateTimeField(db_default=Now()),
        ),
        migrations.RunSQL(DATE_BY_FILLS, DATE_BY_BOOKING),
        migrations.RemoveIndex(model_name="trade", name="trades_sales"),
        migrations.AddIndex(
            model_name="trade",
            index=models.Index(
                fields=["symbol", "booked_at"], name="trades_sales", condition=models.Q(side="sell")
            ),
        ),
    ]
