from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Find the entries that brought legs lately without reading all orders; built while others write."""

    atomic = False
    dependencies = [("trading", "0031_theses")]
    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=models.Q(("order_class", ""), _negated=True),
                fields=["created_at"],
                name="orders_with_legs",
            ),
        ),
    ]
