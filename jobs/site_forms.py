"""A compute site as an operator types it; checked as the API checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.models import ComputeSite
from jobs.site_serializers import ChangeSiteSerializer, NewQueueSerializer, NewSiteSerializer

NUMBERS = ("cores", "memory_mb", "most_jobs", "most_jobs_each")
TEXTS = ("scheduler", "work_root")
OBJECTS: dict[str, Any] = {"settings": {}, "installed": {}, "queues": []}
LINES = ("shares", "people", "groups")
CHECKS = ("enabled", "open_to_all")


@dataclass(frozen=True, kw_only=True)
class SiteForm:
    """What stands in the fields, and what is wrong beside them; ``given`` is what the service takes."""

    texts: dict[str, Any]
    errors: dict[str, list[str]] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)


def form_of(site: ComputeSite | None) -> SiteForm:
    """The form filled with the site, or as a new one begins."""
    if site is None:
        return SiteForm(texts={"scheduler": "slurm", "cores": 1, "memory_mb": 2048, "enabled": True,
                               "open_to_all": True, "settings": "{}", "installed": "{}", "queues": "[]"})  # fmt: skip
    texts: dict[str, Any] = {name: getattr(site, name) for name in (*NUMBERS, *TEXTS, *CHECKS)}
    texts |= {"settings": _shown(site.settings), "installed": _shown(site.tools)}
    texts["queues"] = _shown(NewQueueSerializer(site.queues.all(), many=True).data)
    texts["shares"] = "\n".join(one.name for one in site.shares.all())
    texts["people"] = "\n".join(one.username for one in site.people.all())
    texts["groups"] = "\n".join(str(one.pk) for one in site.groups.all())
    return SiteForm(texts=texts)


def typed(post: Mapping[str, str], *, new: bool) -> SiteForm:
    """The form as it was sent."""
    texts: dict[str, Any] = {name: post.get(name, "") for name in (*NUMBERS, *TEXTS, *OBJECTS, *LINES, "name")}
    texts |= {name: name in post for name in CHECKS}
    data: dict[str, Any] = {name: texts[name].strip() or None for name in NUMBERS}
    data |= {name: texts[name].strip() for name in (*TEXTS, "name")} | {name: texts[name] for name in CHECKS}
    data |= {name: texts[name].split() for name in LINES}
    errors: dict[str, list[str]] = {}
    for name, empty in OBJECTS.items():
        try:
            data[name] = json.loads(texts[name].strip() or json.dumps(empty))
        except ValueError as wrong:
            errors[name] = [f"This is no JSON: {wrong}."]
    if not new:
        data.pop("name")
    checked = NewSiteSerializer(data=data) if new else ChangeSiteSerializer(data=data)
    if not errors and not checked.is_valid():
        errors = {name: [str(_first(words))] for name, words in checked.errors.items()}
    return SiteForm(texts=texts, errors=errors, given={} if errors else dict(checked.validated_data))


def _first(words: Any) -> Any:
    while isinstance(words, list | dict) and words:
        words = next(iter(words.values() if isinstance(words, dict) else [one for one in words if one]))
    return words


def _shown(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
