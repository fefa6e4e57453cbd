from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_canaries")]

    operations = [
        migrations.AlterModelOptions(name="element", options={"ordering": ["place", "retry"]}),
        migrations.AddField(
            model_name="element",
            name="retry",
            field=models.PositiveIntegerField(
                default=0, help_text="0 in the array; else the how manieth job of its own that tries it again beside it."
            ),
        ),
        migrations.RemoveConstraint(model_name="element", name="element_once_an_attempt"),
        migrations.AddConstraint(
            model_name="element",
            constraint=models.UniqueConstraint(fields=["attempt", "index", "retry"], name="element_try_once"),
        ),
    ]
