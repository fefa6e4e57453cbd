"""What the templates need to say things in people's words: icons, sizes, times, states."""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from django import template
from django.template.loader import select_template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe

from jobs.states import JobState

register = template.Library()

# Stroke drawings on a 24 px grid.
ICONS: dict[str, str] = {
    "alert": "M12 4 2.8 20h18.4L12 4zM12 10v4.5M12 17.5v.1",
    "archive": "M3.5 4.5h17v4h-17zM5 8.5v11h14v-11M10 12.5h4",
    "arrow": "M5 12h14M13 6l6 6-6 6",
    "box": "M12 3l8 4.5v9L12 21l-8-4.5v-9L12 3zM4 7.5l8 4.5 8-4.5M12 12v9",
    "chart": "M4 4v16h16M7.5 15l3.5-4.5 3 2.5 5-6.5",
    "check": "M5 12.5l4.5 4.5L19 7",
    "clock": "M12 3.5a8.5 8.5 0 100 17 8.5 8.5 0 000-17zM12 7.5V12l3 2",
    "copy": "M9 9h11v11H9zM5 15H4V4h11v1",
    "down": "M12 4v11M7 11l5 5 5-5M5 20h14",
    "edit": "M4 20l1-4L16 5l3 3L8 19l-4 1zM14 7l3 3",
    "file": "M6 3h8l4 4v14H6zM14 3v4h4",
    "folder": "M3 6.5h6.5l2 2.5H21v10.5H3z",
    "folder-plus": "M3 6.5h6.5l2 2.5H21v10.5H3zM12 12v5M9.5 14.5h5",
    "image": "M4 5h16v14H4zM4 16l4.5-4.5 4 4 2.5-2.5 5 5M15 9.2v.1",
    "info": "M12 3.5a8.5 8.5 0 100 17 8.5 8.5 0 000-17zM12 11v5M12 8v.1",
    "key": "M14.5 4a5.5 5.5 0 00-5.2 7.2L3.5 17v3.5H7V18h2.5v-2.5l1.3-1.3A5.5 5.5 0 1014.5 4zM16 8v.1",
    "link": "M10 14a4 4 0 005.7 0l3-3A4 4 0 0013 5.3l-1 1M14 10a4 4 0 00-5.7 0l-3 3A4 4 0 0011 18.7l1-1",
    "more": "M5.5 12v.1M12 12v.1M18.5 12v.1",
    "moon": "M19.5 14.5A8 8 0 019.5 4.5a8 8 0 1010 10z",
    "out": "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
    "people": "M9 11.5a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM2.5 20c0-3.5 2.8-6 6.5-6s6.5 2.5 6.5 6"
    "M16 5a3.3 3.3 0 010 6.2M17.5 14.3c2.4.7 4 2.9 4 5.7",
    "play": "M7 4.5v15l12-7.5z",
    "plus": "M12 5v14M5 12h14",
    "repeat": "M4.5 12a7.5 7.5 0 0113-5L20 9.5M20 4.5v5h-5M19.5 12a7.5 7.5 0 01-13 5L4 14.5M4 19.5v-5h5",
    "server": "M4 4.5h16v6H4zM4 13.5h16v6H4zM7.5 7.5v.1M7.5 16.5v.1",
    "settings": "M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 100-5 2.5 2.5 0 000 5z"
    "M9 19.5a2.5 2.5 0 100-5 2.5 2.5 0 000 5z",
    "stop": "M6 6h12v12H6z",
    "table": "M4 5h16v14H4zM4 10h16M4 14.5h16M10 5v14",
    "trash": "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5",
    "undo": "M9 6L4.5 10.5 9 15M5 10.5h9a5 5 0 010 10h-3",
    "up": "M12 16V5M7 9l5-5 5 5M5 20h14",
    "volume": "M12 3c5 0 8 2.5 8 6 0 5-3 12-8 12S4 15 4 10.5C4 6 7.5 3 12 3zM5 8c3 2.5 11 2.5 14 0M12 3c-3 5-3 13 0 18",
    "x": "M6 6l12 12M18 6L6 18",
}
KINDS: dict[str, str] = {
    ".mrc": "volume", ".map": "volume", ".rec": "volume", ".ccp4": "volume", ".mrcs": "image", ".st": "image",
    ".ali": "image", ".tif": "image", ".tiff": "image", ".eer": "image", ".gif": "image", ".webp": "image",
    ".tsv": "table",
    ".png": "image", ".jpg": "image", ".jpeg": "image", ".star": "table", ".csv": "table", ".json": "chart",
}  # fmt: skip
VIEWERS: dict[str, str] = {
    ".mrc": "map", ".map": "map", ".rec": "map", ".ccp4": "map", ".mrcs": "image", ".st": "image", ".ali": "image",
    ".tif": "image", ".tiff": "image", ".eer": "image", ".png": "image",
    ".jpg": "image", ".jpeg": "image", ".gif": "image", ".webp": "image", ".star": "table", ".csv": "table",
    ".tsv": "table", ".json": "text", ".pdf": "pdf", ".html": "html", ".htm": "html", ".vl": "chart",
}  # fmt: skip
RAW = frozenset({".mrc", ".mrcs", ".map", ".rec", ".ccp4", ".st", ".ali", ".tif", ".tiff", ".eer"})
DEEDS: dict[str, str] = {
    "project.created": "made the project",
    "project.cloned": "made a copy",
    "project.renamed": "changed the name or purpose",
    "project.archived": "archived the project",
    "project.restored": "restored the project",
    "member.added": "added",
    "member.role": "changed the role of",
    "member.changed": "changed the role of",
    "member.removed": "removed",
    "member.left": "left the project",
    "link.made": "made a transfer link for",
    "remote.attached": "attached a remote folder at",
    "remote.detached": "detached the remote folder at",
    "remote_link.made": "got a credential of a remote site for",
    "storage.added": "added the storage site",
    "storage.changed": "changed the storage site",
    "link.revoked": "ended the transfer link for",
    "import.made": "asked for an import into",
    "import.started": "started the import into",
    "import.cancelled": "cancelled the import into",
    "import.ended": "ended the import into",
    "account.suspended": "suspended",
    "account.opened": "opened the account of",
    "account.posix": "set the POSIX account of",
    "storage.acls": "changed whether roles are mirrored on",
    "storage.acls_repaired": "repaired the access lists of",
    "trash.emptied": "emptied the trash of this many things:",
    "files.delete_failed": "could not delete",
    "grant.added": "gave a role to the group",
    "grant.changed": "changed the role of the group",
    "grant.removed": "took away the role of the group",
    "group.renamed": "renamed the group",
    "group.person_added": "put into a group:",
    "group.person_changed": "changed in a group:",
    "group.person_removed": "took out of a group:",
    "invitation.made": "invited",
    "invitation.revoked": "took back the invitation of",
    "invitation.accepted": "accepted an invitation:",
    "access.approved": "let in, who had asked:",
    "access.declined": "declined the request of",
    "files.deleted": "deleted",
    "files.restored": "brought back",
    "files.moved": "moved",
    "files.purged": "removed for good",
    "job.submitted": "started",
    "job.cancelled": "cancelled",
    "job.rerun": "ran again",
}
COUNTS = ((60, "second"), (60, "minute"), (24, "hour"), (7, "day"), (5, "week"), (12, "month"), (1000, "year"))


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """The drawing ``name``; decoration unless a ``label`` says what it means."""
    drawing = mark_safe(f'<path d="{ICONS[name]}"/>')  # noqa: S308  (constants of this file)
    if label:
        return format_html('<svg class="icon" viewBox="0 0 24 24" role="img" aria-label="{}">{}</svg>', label, drawing)
    return format_html('<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">{}</svg>', drawing)


@register.filter
def file_icon(name: str) -> str:
    """The icon of a file by the end of its name."""
    return KINDS.get(PurePosixPath(name).suffix.lower(), "file")


@register.filter
def size(count: int | None) -> str:
    """Bytes in words, in powers of 1000 as discs are sold: ``1.5 GB``."""
    if not isinstance(count, int):
        return "–"
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 999.5 or unit == "TB":
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.95 else f"{amount:.1f} {unit}"
        amount /= 1000
    return ""


@register.filter
def duration(seconds: float | None) -> str:
    """A length of time in words: ``42 s``, ``3 min 05 s``, ``2 h 10 min``, ``3 days 4 h``."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 1 else "under 1 s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


@register.filter
def span(start: datetime | None, end: datetime | None) -> str:
    """How long it was from ``start`` to ``end`` (to now, where there is no end)."""
    return duration(((end or timezone.now()) - start).total_seconds()) if start else "–"


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    """A time as ``<time>``: in words up to a day, then the date; the exact time is its title."""
    if moment is None:
        return "–"
    exact = moment.strftime("%d %b %Y, %H:%M:%S UTC")
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, _ago(moment))


def _ago(moment: datetime) -> str:
    seconds = (timezone.now() - moment).total_seconds()
    if seconds < -1 or seconds >= 86400:
        return moment.strftime("%d %b %Y, %H:%M") if abs(seconds) < 86400 * 200 else moment.strftime("%d %b %Y")
    if seconds < 10:
        return "just now"
    amount = seconds
    for length, word in COUNTS:
        if amount < length:
            return f"{int(amount)} {word}{'s' if int(amount) != 1 else ''} ago"
        amount /= length
    return exact_day(moment)


def exact_day(moment: datetime) -> str:
    """The day alone."""
    return moment.strftime("%d %b %Y")


@register.filter
def value(given: object) -> str:
    """An input's value as a person would write it: a path, a pattern, a number."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, dict):
        named = given.get("path") or given.get("pattern") or given.get("folder")
        return str(named or ", ".join(f"{name} {value(inner)}" for name, inner in given.items()))
    if isinstance(given, list):
        shown = ", ".join(value(item) for item in given[:4])
        return f"{shown} and {len(given) - 4} more" if len(given) > 4 else shown
    if isinstance(given, float):
        return f"{given:g}"
    return "–" if given is None or given == "" else str(given)


@register.filter
def sentence(event: Any) -> str:
    """What an audit event says was done, without who did it."""
    deed = DEEDS.get(event.action, event.action.replace(".", " ").replace("_", " "))
    return f"{deed} {event.subject}".strip()


@register.filter
def key(mapping: object, name: str) -> object:
    """``mapping[name]``, or nothing."""
    return mapping.get(name, "") if isinstance(mapping, dict) else ""


@register.filter
def basename(path: str) -> str:
    """The last part of a path."""
    return PurePosixPath(path).name


@register.filter
def title_of(rules: object, name: str) -> str:
    """The title that a schema gives an input, or its name."""
    return str(rules.get("title") or name) if isinstance(rules, dict) else name


@register.filter
def viewer_for(path: str) -> str:
    """The viewer of a file by the end of its name."""
    return VIEWERS.get(PurePosixPath(path).suffix.lower(), "text")


@register.filter
def is_raw_image(path: str) -> bool:
    """True for measured images, whose contrast people set."""
    return PurePosixPath(path).suffix.lower() in RAW


@register.simple_tag
def image_url(project: Any, path: str, edge: int) -> str:
    """Where a picture of the file is: the file itself, or a PNG of it with no side over ``edge`` pixels."""
    if PurePosixPath(path).suffix.lower() in RAW:
        options = {"path": path, "form": "image", "size": str(edge)}
        return f"/api/v1/projects/{project.pk}/files/preview/?{urlencode(options)}"
    return f"{reverse('storage:download', args=[project.pk])}?{urlencode({'path': path})}"


@register.filter
def state_label(event: Any) -> str:
    """The label of the state that a job's event led to."""
    return JobState(event.to_state).label


@register.simple_tag
def tool_mark(name: str) -> SafeString:
    """The drawing of a tool; the common one for a tool that has none."""
    return select_template([f"parts/tools/{name}.svg", "parts/tools/other.svg"]).render()


@register.simple_tag(takes_context=True)
def with_query(context: template.Context, **changes: object) -> str:
    """This page's query string with ``changes``; an empty value leaves a parameter out."""
    query = context["request"].GET.copy()
    for name, new in changes.items():
        query.pop(name, None)
        if new not in ("", None):
            query[name] = str(new)
    return f"?{query.urlencode()}" if query else "?"
