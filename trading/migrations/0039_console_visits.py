import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Know when each person last looked."""

    dependencies = [("auth", "0012_alter_user_first_name_max_length"), ("trading", "0038_shadow_strategies")]
    operations = [
        migrations.CreateModel(
            name="ConsoleVisit",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("since", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
            ],
            options={"db_table": "console_visits"},
        )
    ]
