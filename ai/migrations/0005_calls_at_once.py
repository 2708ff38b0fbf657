from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ai", "0004_model_capabilities")]

    operations = [
        migrations.AddField(
            model_name="modelcapability",
            name="calls_at_once",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
    ]
