from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def may_have_been_tried(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Sites are asked for every attempt from before, since nobody noted which of them had been submitted."""
    apps.get_model("jobs", "Attempt").objects.update(tried_at=models.F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_sites")]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="tried_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it was first about to be submitted; before, no site can have it.",
                null=True,
            ),
        ),
        migrations.RunPython(may_have_been_tried, migrations.RunPython.noop),
    ]
