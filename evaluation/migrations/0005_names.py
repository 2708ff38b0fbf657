from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('evaluation', '0004_purse_and_background'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='run',
            options={'ordering': ('-created_at',), 'permissions': [('ask_again', 'Can ask recorded decisions again, within the purse of evaluations')], 'verbose_name': 'replay'},
        ),
    ]
