from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('risk', '0006_trust_curves'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='killswitch',
            options={'ordering': ['-engaged_at'], 'permissions': [('engage_killswitch', 'Can engage the kill switch'), ('release_killswitch', 'Can release the kill switch')], 'verbose_name': 'engagement', 'verbose_name_plural': 'engagements'},
        ),
        migrations.AlterModelOptions(
            name='riskcheck',
            options={'verbose_name': 'check'},
        ),
        migrations.AlterModelOptions(
            name='risklimits',
            options={'ordering': ['-version'], 'verbose_name': 'version of the limits', 'verbose_name_plural': 'versions of the limits'},
        ),
        migrations.AlterModelOptions(
            name='riskreservation',
            options={'verbose_name': 'reservation'},
        ),
    ]
