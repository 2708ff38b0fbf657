from django.db import migrations, models

# Rows keep the order of their times: until now there was no other.
NUMBER_CYCLES = """
UPDATE cycles SET number = numbered.n
FROM (SELECT id, row_number() OVER (ORDER BY started_at, id) AS n FROM cycles) AS numbered
WHERE cycles.id = numbered.id;
SELECT setval('cycles_number', (SELECT count(*) + 1 FROM cycles), false);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0012_switch_follow_up"),
    ]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE position_syncs", "DROP SEQUENCE position_syncs"),
        migrations.AddField(
            model_name="agentstatus",
            name="positions_sequence",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="order",
            name="ended_sequence",
            field=models.BigIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="equitysnapshot",
            name="sync_sequence",
            field=models.BigIntegerField(editable=False, null=True, unique=True),
        ),
        migrations.AddField(
            model_name="metrictotals",
            name="after_position",
            field=models.BigIntegerField(default=0),
        ),
        migrations.RunSQL("CREATE SEQUENCE cycles_number", "DROP SEQUENCE cycles_number"),
        migrations.AddField(
            model_name="cycle",
            name="number",
            field=models.BigIntegerField(
                db_default=models.Func(models.Value("cycles_number"), function="nextval"), editable=False
            ),
        ),
        migrations.RunSQL(NUMBER_CYCLES, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="cycle",
            index=models.Index(fields=["-number"], name="cycles_by_number"),
        ),
    ]
