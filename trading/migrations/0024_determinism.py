from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0023_execution_ids"),
    ]

    operations = [
        migrations.AddField(
            model_name="agentstatus",
            name="market_rate",
            field=models.DecimalField(decimal_places=6, default=1, max_digits=12),
        ),
        migrations.AddField(
            model_name="cycle",
            name="ordinal",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="decisionrecord",
            name="seen_sha256",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
