from django.db import migrations, models

import trading.models.event


class Migration(migrations.Migration):
    """Two steps: with its default from the start, old rows would all be written anew, and get this transaction's number."""

    dependencies = [
        ("trading", "0016_no_ordered_consumption"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="transaction_id",
            field=trading.models.event.TransactionIdField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="event",
            name="transaction_id",
            field=trading.models.event.TransactionIdField(
                db_default=models.Func(
                    function="pg_current_xact_id", output_field=trading.models.event.TransactionIdField()
                ),
                editable=False,
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["transaction_id", "position"], name="events_by_transaction"),
        ),
        # In Python only: the column keeps its name, and is written once, when the cycle ends.
        migrations.AlterField(
            model_name="cycle",
            name="errors",
            field=models.JSONField(db_column="errors", default=list),
        ),
        migrations.RenameField(model_name="cycle", old_name="errors", new_name="kept_errors"),
    ]
