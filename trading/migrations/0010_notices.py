import uuid6
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0009_metric_totals"),
    ]

    operations = [
        migrations.CreateModel(
            name="NoticeTopic",
            fields=[
                ("topic", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("title", models.CharField(blank=True, max_length=200)),
                ("many", models.CharField(blank=True, max_length=200)),
                ("advice", models.CharField(blank=True, max_length=500)),
                ("severity", models.CharField(blank=True, max_length=10)),
                ("count", models.PositiveIntegerField(default=0)),
                ("lines", models.JSONField(blank=True, default=list)),
                ("since", models.DateTimeField(null=True)),
                ("over_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("told_at", models.DateTimeField(null=True)),
                ("in_trouble", models.BooleanField(default=False)),
            ],
            options={
                "db_table": "notice_topics",
            },
        ),
        migrations.CreateModel(
            name="NoticeMessage",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid6.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                ("topic", models.CharField(max_length=40)),
                ("severity", models.CharField(max_length=10)),
                ("title", models.CharField(max_length=250)),
                ("body", models.TextField()),
                (
                    "status",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("sent", "Sent"), ("dropped", "Dropped")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("made_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("next_attempt_at", models.DateTimeField()),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("reached", models.JSONField(blank=True, default=list)),
                ("reached_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=500)),
                ("failed_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "notice_messages",
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "waiting")),
                        fields=["next_attempt_at"],
                        name="notices_waiting",
                    ),
                    models.Index(fields=["-made_at"], name="notices_in_time"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", True), ("status", "waiting")),
                            models.Q(
                                models.Q(("status", "waiting"), _negated=True), ("ended_at__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="ended_notice_has_time",
                    )
                ],
            },
        ),
    ]
