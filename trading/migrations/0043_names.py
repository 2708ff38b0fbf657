from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0042_used_links'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='aidecision',
            options={'verbose_name': 'decision'},
        ),
        migrations.AlterModelOptions(
            name='equitysnapshot',
            options={'ordering': ['-created_at'], 'verbose_name': 'equity reading'},
        ),
        migrations.AlterModelOptions(
            name='heartbeat',
            options={'verbose_name': 'sign of life', 'verbose_name_plural': 'signs of life'},
        ),
        migrations.AlterModelOptions(
            name='noticemessage',
            options={'verbose_name': 'notice'},
        ),
        migrations.AlterModelOptions(
            name='runtimesetting',
            options={'ordering': ['name'], 'verbose_name': 'setting'},
        ),
        migrations.AlterModelOptions(
            name='tradeproposal',
            options={'permissions': [('propose_trade', 'Can propose trades')], 'verbose_name': 'proposal', 'verbose_name_plural': 'proposals'},
        ),
    ]
