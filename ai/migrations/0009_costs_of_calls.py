from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What calls cost, read without their rows; built while others write."""

    atomic = False

    dependencies = [
        ('ai', '0008_cutoffs'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='modelcall',
            index=models.Index(
                condition=models.Q(('purpose', 'trade')),
                fields=['id'],
                include=('model', 'prompt_version', 'cost_usd', 'charged_usd', 'cycle_id', 'created_at'),
                name='model_calls_costs',
            ),
        ),
    ]
