from django.db import migrations

# Nobody can be allowed, or still be allowed, to see tables that are gone.
FORGET_PERMISSIONS = """
DO $$
DECLARE gone integer[];
BEGIN
    SELECT coalesce(array_agg(permission.id), '{}') INTO gone FROM auth_permission permission
    JOIN django_content_type type ON type.id = permission.content_type_id
    WHERE type.app_label = 'trading' AND type.model IN ('eventstream', 'heldevent');
    DELETE FROM auth_group_permissions WHERE permission_id = ANY (gone);
    DELETE FROM auth_user_user_permissions WHERE permission_id = ANY (gone);
    DELETE FROM auth_permission WHERE id = ANY (gone);
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("trading", "0015_api_tokens"),
    ]

    operations = [
        migrations.DeleteModel(name="EventStream"),
        migrations.DeleteModel(name="HeldEvent"),
        migrations.RunSQL(FORGET_PERMISSIONS, migrations.RunSQL.noop),
    ]
