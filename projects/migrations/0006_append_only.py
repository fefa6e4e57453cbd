"""Each link of a chain is there once, and the database itself refuses to change or delete an event."""

from django.db import migrations, models

from projects.append_only import guard, unguard


class Migration(migrations.Migration):

    dependencies = [('projects', '0005_audit_chain')]

    operations = [
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=models.UniqueConstraint(fields=('project', 'sequence'), name='one_event_per_link'),
        ),
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=models.UniqueConstraint(condition=models.Q(('project', None)), fields=('sequence',), name='one_event_per_own_link'),
        ),
        migrations.RunPython(guard, unguard),
    ]
