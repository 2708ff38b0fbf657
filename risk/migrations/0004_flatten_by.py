from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("risk", "0003_strategy_version")]

    operations = [
        migrations.AddField(
            model_name="killswitch",
            name="flatten_by",
            field=models.CharField(blank=True, max_length=150, default=""),
            preserve_default=False,
        ),
    ]
