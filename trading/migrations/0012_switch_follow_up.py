import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def note_what_was_done(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What earlier versions did in one go has been done."""
    follow_up = apps.get_model("trading", "SwitchFollowUp")
    follow_up.objects.bulk_create(
        follow_up(
            engagement_id=engagement.pk,
            announced_at=engagement.engaged_at,
            senders_ended_at=engagement.engaged_at,
            cancelled_at=engagement.engaged_at,
            release_announced_at=engagement.released_at,
        )
        for engagement in apps.get_model("risk", "KillSwitch").objects.all()
    )


class Migration(migrations.Migration):
    dependencies = [("risk", "0004_flatten_by"), ("trading", "0011_decision_time")]

    operations = [
        migrations.CreateModel(
            name="SwitchFollowUp",
            fields=[
                (
                    "engagement",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="follow_up",
                        serialize=False,
                        to="risk.killswitch",
                    ),
                ),
                ("announced_at", models.DateTimeField(null=True)),
                ("senders_ended_at", models.DateTimeField(null=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("flattened_at", models.DateTimeField(null=True)),
                ("release_announced_at", models.DateTimeField(null=True)),
                ("problems", models.JSONField(default=list)),
            ],
            options={"db_table": "kill_switch_follow_ups"},
        ),
        migrations.RunPython(note_what_was_done, migrations.RunPython.noop, elidable=True),
    ]
