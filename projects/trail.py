"""Reading the trail: what of it is asked for, and its events as lines of a file."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from projects.chain import canonical
from projects.models import AuditEvent, Project

AT_ONCE = 500
FORMS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
COLUMNS = ("sequence", "id", "at", "actor", "action", "subject", "details", "previous", "digest")
# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, "CSV injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which events are asked for; what is empty does not narrow."""

    person: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    @property
    def narrow(self) -> bool:
        """True when not all events are asked for."""
        return self != Asked()


def find(project: Project | None, asked: Asked) -> QuerySet[AuditEvent]:
    """The events of a project (None: of the gateway itself), newest first.

    ``person`` is a part of the name or user name of who did it; ``action`` is the whole of one (``member.added``) or
    its first word (``member``); ``since`` is included, ``until`` is not; ``text`` is a part of whom or what it was
    done to, or of the details.
    """
    found = AuditEvent.objects.filter(project=project)
    if asked.person:
        found = found.filter(Q(actor_name__icontains=asked.person) | Q(actor__username__icontains=asked.person))
    if asked.action:
        found = found.filter(Q(action=asked.action) | Q(action__startswith=f"{asked.action}."))
    if asked.since is not None:
        found = found.filter(at__gte=asked.since)
    if asked.until is not None:
        found = found.filter(at__lt=asked.until)
    if asked.text:
        # SQLite keeps JSON as it was written, with letters beyond ASCII as \uXXXX; PostgreSQL the letters themselves.
        written = json.dumps(asked.text)[1:-1]
        found = found.alias(words=Cast("details", TextField()))
        there = Q(subject__icontains=asked.text) | Q(words__icontains=asked.text) | Q(words__icontains=written)
        found = found.filter(there)
    return found


def lines(events: QuerySet[AuditEvent], form: str) -> Iterator[bytes]:
    """The events as a file, oldest first, a block of many lines at a time; ``form`` is a key of ``FORMS``.

    CSV is for people: what a spreadsheet would take for a formula begins with an apostrophe. JSON lines are exact: each
    has its event's canonical form, so that anybody can compute the digests again.
    """
    yield _csv([list(COLUMNS)]) if form == "csv" else b""
    last = 0
    while page := list(events.filter(id__gt=last).order_by("id")[:AT_ONCE]):
        last = page[-1].pk
        yield _csv([_cells(event) for event in page]) if form == "csv" else b"".join(_line(event) for event in page)


def _line(event: AuditEvent) -> bytes:
    sealed = canonical(event.sealed)
    return sealed[:-1] + b',"digest":"' + event.digest.encode("ascii") + b'"}\n'


def _cells(event: AuditEvent) -> list[str]:
    at = event.at.astimezone(UTC).isoformat()
    details = json.dumps(event.details, ensure_ascii=False, sort_keys=True) if event.details else ""
    said = (event.actor_name, event.action, event.subject, details)
    return [str(event.sequence), str(event.uid), at, *map(_harmless, said), event.previous, event.digest]


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.lstrip(" ").startswith(FORMULA) else cell


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
