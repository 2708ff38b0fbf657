import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """One index for the calls of decisions that the report reads without their rows; built while others write."""

    atomic = False

    dependencies = [
        ('ai', '0008_cutoffs'),
        ('trading', '0046_held_until'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='aidecision',
            index=models.Index(fields=['model_call', 'strategy'], include=('id', 'price'), name='decisions_of_call'),
        ),
        migrations.AlterField(
            model_name='aidecision',
            name='model_call',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ai.modelcall'),
        ),
    ]
