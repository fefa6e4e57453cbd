from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_scatter")]

    operations = [
        migrations.AddField(
            model_name="computesite",
            name="canary",
            field=models.JSONField(blank=True, default=dict, help_text="The last small job sent there."),
        ),
        migrations.AddField(
            model_name="computesite",
            name="canary_at",
            field=models.DateTimeField(blank=True, help_text="When that was sent.", null=True),
        ),
    ]
