from django.db import migrations

# An execution is known by its own id, as the broker's stream says it; its list of activities has a time before it.
WITHOUT_TIME = """
UPDATE fills SET execution_id = split_part(execution_id, '::', 2)
WHERE execution_id LIKE '%::_%'
  AND NOT EXISTS (SELECT 1 FROM fills other WHERE other.execution_id = split_part(fills.execution_id, '::', 2));
"""


class Migration(migrations.Migration):
    dependencies = [("trading", "0022_strategies_start_inactive")]

    operations = [migrations.RunSQL(WITHOUT_TIME, reverse_sql=migrations.RunSQL.noop)]
