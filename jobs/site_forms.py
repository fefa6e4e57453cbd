"""A compute site as an operator types it; checked as the API checks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from common.errors import PortolanError
from jobs import site_fields, site_rows
from jobs.models import ComputeSite
from jobs.registry import tools
from jobs.site_rows import Row
from jobs.site_serializers import ChangeSiteSerializer, NewSiteSerializer

NUMBERS = ("cores", "memory_mb", "most_jobs", "most_jobs_each")
TEXTS = ("scheduler", "work_root")
LINES = ("shares", "people", "groups")
CHECKS = ("enabled", "open_to_all")
TITLES = {
    "name": "Name", "scheduler": "Scheduler", "settings": "Settings", "cores": "Cores", "memory_mb": "Memory",
    "work_root": "Work root", "shares": "Storage sites", "most_jobs": "Unfinished jobs at most",
    "most_jobs_each": "The same, of one person", "people": "People", "groups": "Groups", "nodes": "Nodes",
    "gpus": "GPUs", "wall": "Longest time", "tool": "Tool", "setup": "Commands that come first",
    "environment": "Variables", "wrapper": "Words before the command",
}  # fmt: skip
NEEDED = "Write a whole number."


@dataclass(frozen=True, kw_only=True)
class SiteForm:
    """What stands in the fields, and what is wrong beside them; ``given`` is what the service takes.

    ``act`` is the button for rows that was pressed, if it was one: then nothing is checked. ``fresh`` names the kind
    of rows that it was about.
    """

    texts: dict[str, Any]
    queues: list[Row] = field(default_factory=list)
    tools: list[Row] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    act: str = ""
    fresh: str = ""

    def wrongs(self) -> Iterator[tuple[str, str, str]]:
        """The id of each wrong field, its title, and what is wrong."""
        for name, words in self.errors.items():
            setting = site_fields.EVERY.get(name)
            yield name, setting.title if setting else TITLES.get(name, name), words
        for kind, title, rows in (("queues", "Queue", self.queues), ("tools", "Tool setup", self.tools)):
            for row in rows:
                for name, words in row.errors.items():
                    yield f"{kind}-{row.number}-{name}", f"{title} {row.number + 1}, {TITLES[name].lower()}", words

    @property
    def wrong(self) -> bool:
        """True when something has to be changed before it can be saved."""
        return any(True for _ in self.wrongs())

    @property
    def scheduler_settings(self) -> list[dict[str, Any]]:
        """The fields for what the schedulers take, as the page shows them."""
        return [self._shown(one) for one in site_fields.SCHEDULER]

    @property
    def runner_settings(self) -> list[dict[str, Any]]:
        """The fields for where the scheduler's commands run."""
        return [self._shown(one) for one in site_fields.RUNNER]

    def _shown(self, one: site_fields.Setting) -> dict[str, Any]:
        kind = site_fields.KINDS.get(one.kind, "text")
        return {"setting": one, "kind": kind, "text": self.texts[one.id], "wrong": self.errors.get(one.id, "")}

    @property
    def known_tools(self) -> list[tuple[str, str]]:
        """Names and titles of what a row may be about: all tools, those that are here, and those that rows name."""
        known = {"*": "All tools"} | {info.name: info.title for info in tools()}
        return list((known | {name: name for row in self.tools if (name := row.texts["tool"]) not in known}).items())


def form_of(site: ComputeSite | None) -> SiteForm:
    """The form filled with the site, or as a new one begins."""
    if site is None:
        return SiteForm(texts={"scheduler": "slurm", "cores": 1, "memory_mb": 2048, "enabled": True,
                               "open_to_all": True, **site_fields.texts_of({})})  # fmt: skip
    texts: dict[str, Any] = {name: getattr(site, name) for name in (*NUMBERS, *TEXTS, *CHECKS)}
    texts |= site_fields.texts_of(site.settings)
    texts["shares"] = "\n".join(one.name for one in site.shares.all())
    texts["people"] = "\n".join(one.username for one in site.people.all())
    texts["groups"] = "\n".join(str(one.pk) for one in site.groups.all())
    queues = site_rows.numbered([site_rows.queue_texts(one) for one in site.queues.all()])
    return SiteForm(texts=texts, queues=queues, tools=site_rows.numbered(site_rows.tool_texts(site.tools)))


def typed(post: Mapping[str, str], *, new: bool) -> SiteForm:
    """The form as it was sent: checked, or with one row more or less when a button for that was pressed."""
    act, kind, number = _pressed(post.get("act", ""))
    texts: dict[str, Any] = {name: post.get(name, "") for name in (*NUMBERS, *TEXTS, *LINES, "name")}
    texts |= {name: name in post for name in CHECKS} | site_fields.sent(post)
    removed = number if act == "remove" else ""
    queues = site_rows.sent(post, "queues", site_rows.QUEUE, without=removed if kind == "queues" else "")
    installed = site_rows.sent(post, "tools", site_rows.TOOL, without=removed if kind == "tools" else "")
    added = kind if act == "add" else ""
    if added == "queues":
        queues.append(site_rows.EMPTY_QUEUE | {name: texts[name] for name in ("cores", "memory_mb")})
    if added == "tools":
        installed.append(dict.fromkeys(site_rows.TOOL, "") | {"tool": "" if installed else "*"})
    form = SiteForm(
        texts=texts,
        queues=site_rows.numbered(queues, fresh=added == "queues"),
        tools=site_rows.numbered(installed, fresh=added == "tools"),
        act=act,
        fresh=kind,
    )
    return form if act else _checked(form, new=new)


def _pressed(button: str) -> tuple[str, str, str]:
    """What to do, with which kind of rows, and with which one; nothing for another button."""
    act, kind, number = [*button.split("-"), "", ""][:3]
    return (act, kind, number) if act in ("add", "remove") and kind in ("queues", "tools") else ("", "", "")


def _checked(form: SiteForm, *, new: bool) -> SiteForm:
    texts = form.texts
    data: dict[str, Any] = {name: texts[name].strip() or None for name in NUMBERS}
    data |= {name: texts[name].strip() for name in (*TEXTS, "name")} | {name: texts[name] for name in CHECKS}
    data |= {name: texts[name].split() for name in LINES}
    queues, data["queues"] = site_rows.checked_queues(form.queues)
    installed, data["installed"] = site_rows.checked_tools(form.tools)
    data["settings"], errors = site_fields.checked(data["scheduler"], texts)
    if not new:
        data.pop("name")
    checked = NewSiteSerializer(data=data) if new else ChangeSiteSerializer(data=data)
    if not checked.is_valid():
        said = {name: _first(words) for name, words in checked.errors.items() if name not in ("queues", "installed")}
        empty = {name for name in ("cores", "memory_mb") if data[name] is None}
        errors = {name: NEEDED if name in empty else str(words) for name, words in said.items()} | errors
    form = replace(form, queues=queues, tools=installed, errors=errors)
    return form if form.wrong else replace(form, given=dict(checked.validated_data))


def refused(form: SiteForm, wrong: PortolanError) -> SiteForm:
    """The form with what the service refused beside its field."""
    name = (wrong.field or "name").partition(".")[0]
    return replace(form, errors={name: f"{wrong.message} {wrong.hint}".strip()})


def _first(words: Any) -> Any:
    while isinstance(words, list | dict) and words:
        words = next(iter(words.values() if isinstance(words, dict) else [one for one in words if one]))
    return words
