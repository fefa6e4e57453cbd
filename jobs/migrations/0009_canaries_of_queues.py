"""Canaries are of queues: what a site's one canary found is kept as that of its first queue, where it was sent."""

from datetime import datetime
from typing import Any

from django.db import migrations, models

LAST = ("ok", "words", "hint")


def to_queues(apps: Any, schema_editor: Any) -> None:
    for site in apps.get_model("jobs", "ComputeSite").objects.exclude(canary={}):
        told, at = dict(site.canary), site.canary_at.isoformat() if site.canary_at else None
        first = site.queues.order_by("position", "name").first()
        if "name" in told:
            last = {key: told.pop(f"last_{key}", None) for key in LAST}
            told["last"] = last | {"ended_at": at} if last["words"] else {}
        else:
            told["ended_at"] = at
        site.canaries = {first.name if first else "": told | {"at": at}}
        site.save(update_fields=["canaries"])


def to_sites(apps: Any, schema_editor: Any) -> None:
    for site in apps.get_model("jobs", "ComputeSite").objects.exclude(canaries={}):
        first = site.queues.order_by("position", "name").first()
        told = dict(site.canaries.get(first.name if first else "", {}))
        at = told.pop("at", None)
        last = told.pop("last", {})
        told |= {f"last_{key}": last.get(key) for key in LAST} if "name" in told else {}
        site.canary, site.canary_at = told, datetime.fromisoformat(at) if at else None
        site.save(update_fields=["canary", "canary_at"])


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_element_retries")]

    operations = [
        migrations.AddField(
            model_name="computesite",
            name="canaries",
            field=models.JSONField(blank=True, default=dict, help_text="The last small job sent to each queue, by name."),
        ),
        migrations.RunPython(to_queues, to_sites),
        migrations.RemoveField(model_name="computesite", name="canary"),
        migrations.RemoveField(model_name="computesite", name="canary_at"),
    ]
