from django.db import migrations, models

# Counting begins with the table, so that the first cycle after a start is counted whenever the first scrape comes.
BEGIN = "INSERT INTO metric_totals (id, counted_until, totals) VALUES (1, now(), '{}')"


class Migration(migrations.Migration):
    dependencies = [("trading", "0008_request_keys")]

    operations = [
        migrations.CreateModel(
            name="MetricTotals",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("counted_until", models.DateTimeField()),
                ("totals", models.JSONField(default=dict)),
            ],
            options={
                "db_table": "metric_totals",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="one_metric_totals")
                ],
            },
        ),
        migrations.RunSQL(BEGIN, migrations.RunSQL.noop),
    ]
