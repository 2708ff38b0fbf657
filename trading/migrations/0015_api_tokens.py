import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Tokens that were kept in plain text go on to work: the same text, known by its hash from here on. They have no end, as
# before. Where the old table never was, nothing is done.
TAKE_OVER = """
DO $$
BEGIN
    IF to_regclass('authtoken_token') IS NOT NULL THEN
        INSERT INTO api_tokens (user_id, digest, prefix, created_at, revoked_by)
        SELECT user_id, encode(sha256(convert_to(key, 'UTF8')), 'hex'), left(key, 8), created, '' FROM authtoken_token;
        DROP TABLE authtoken_token;
        DELETE FROM auth_group_permissions WHERE permission_id IN (
            SELECT permission.id FROM auth_permission permission
            JOIN django_content_type type ON type.id = permission.content_type_id WHERE type.app_label = 'authtoken');
        DELETE FROM auth_user_user_permissions WHERE permission_id IN (
            SELECT permission.id FROM auth_permission permission
            JOIN django_content_type type ON type.id = permission.content_type_id WHERE type.app_label = 'authtoken');
        DELETE FROM auth_permission USING django_content_type type
        WHERE type.id = auth_permission.content_type_id AND type.app_label = 'authtoken';
        DELETE FROM django_migrations WHERE app = 'authtoken';
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("trading", "0013_order_by_sequence"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("prefix", models.CharField(max_length=8)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(help_text="Empty: never.", null=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_by", models.CharField(blank=True, default="", max_length=150)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
                "db_table": "api_tokens",
                "ordering": ("-created_at", "-id"),
                "permissions": (("revoke_apitoken", "Can revoke API tokens"),),
            },
        ),
        migrations.RunSQL(TAKE_OVER, migrations.RunSQL.noop),
    ]
