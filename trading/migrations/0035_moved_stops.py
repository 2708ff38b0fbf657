from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("trading", "0034_position_split_at")]

    operations = [
        migrations.AddField(
            model_name="position",
            name="stop_moved_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=150),
        ),
    ]
