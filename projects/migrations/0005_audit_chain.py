"""Events of the trail get their places in chains; what was written before is sealed as it stands."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from projects.chain import START, Sealed, digest_of


def seal(apps, schema_editor):
    event_model, chain_model = apps.get_model("projects", "AuditEvent"), apps.get_model("projects", "AuditChain")
    for project in list(event_model.objects.order_by().values_list("project", flat=True).distinct()):
        head = START
        # Keys first: SQLite does not like to read and write the same rows at once.
        keys = list(event_model.objects.filter(project=project).order_by("id").values_list("pk", flat=True))
        for sequence, pk in enumerate(keys, start=1):
            event = event_model.objects.get(pk=pk)
            sealed = Sealed(
                project=event.project_id, sequence=sequence, uid=event.uid, at=event.at, actor=event.actor_id,
                actor_name=event.actor_name, action=event.action, subject=event.subject, details=event.details,
                previous=head,
            )
            digest = digest_of(sealed)
            event_model.objects.filter(pk=pk).update(sequence=sequence, previous=head, digest=digest)
            head = digest
        chain_model.objects.create(project_id=project, length=len(keys), head=head)


class Migration(migrations.Migration):

    dependencies = [
        ('projects', '0004_events_of_the_gateway'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditChain',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('length', models.PositiveBigIntegerField(default=0)),
                ('head', models.CharField(blank=True, max_length=64)),
                ('project', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='audit_chain', to='projects.project')),
            ],
        ),
        migrations.AddConstraint(
            model_name='auditchain',
            constraint=models.UniqueConstraint(models.Value(1), condition=models.Q(('project', None)), name='one_own_chain'),
        ),
        migrations.AlterField(
            model_name='auditevent',
            name='actor',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='auditevent',
            name='sequence',
            field=models.PositiveBigIntegerField(default=0, help_text='1, 2, 3… in its chain.'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='auditevent',
            name='previous',
            field=models.CharField(default='', help_text='Digest of the event before it in the chain.', max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='auditevent',
            name='digest',
            field=models.CharField(default='', help_text='SHA-256 of this event and the one before it.', max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(seal, migrations.RunPython.noop),
    ]
