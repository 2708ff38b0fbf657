from django.contrib.postgres.operations import AddIndexConcurrently
import django.db.models.functions.comparison
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Find a row by the end of its id, as pages show it; built while others write."""

    atomic = False

    dependencies = [
        ('ai', '0008_cutoffs'),
        ('risk', '0007_names'),
        ('trading', '0043_names'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='aidecision',
            index=models.Index(django.db.models.functions.text.Right(django.db.models.functions.comparison.Cast('id', models.TextField()), 8), name='decisions_id_ends'),
        ),
        AddIndexConcurrently(
            model_name='approval',
            index=models.Index(django.db.models.functions.text.Right(django.db.models.functions.comparison.Cast('id', models.TextField()), 8), name='approvals_id_ends'),
        ),
        AddIndexConcurrently(
            model_name='cycle',
            index=models.Index(django.db.models.functions.text.Right(django.db.models.functions.comparison.Cast('id', models.TextField()), 8), name='cycles_id_ends'),
        ),
        AddIndexConcurrently(
            model_name='fill',
            index=models.Index(django.db.models.functions.text.Right(django.db.models.functions.comparison.Cast('id', models.TextField()), 8), name='fills_id_ends'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(django.db.models.functions.text.Right(django.db.models.functions.comparison.Cast('id', models.TextField()), 8), name='orders_id_ends'),
        ),
        AddIndexConcurrently(
            model_name='roundtrip',
            index=models.Index(django.db.models.functions.text.Right(django.db.models.functions.comparison.Cast('id', models.TextField()), 8), name='round_trips_id_ends'),
        ),
        AddIndexConcurrently(
            model_name='saga',
            index=models.Index(django.db.models.functions.text.Right(django.db.models.functions.comparison.Cast('id', models.TextField()), 8), name='sagas_id_ends'),
        ),
        AddIndexConcurrently(
            model_name='trade',
            index=models.Index(django.db.models.functions.text.Right(django.db.models.functions.comparison.Cast('id', models.TextField()), 8), name='trades_id_ends'),
        ),
    ]
