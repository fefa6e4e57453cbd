"""The rows of an operator's form of a site: its queues, and how its tools are had. Nothing is lost on the way."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.lifecycle.installed import VARIABLE
from jobs.models import Queue
from jobs.site_serializers import NewQueueSerializer

TIME = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d)(?::([0-5]\d))?\Z")
NUMBERS = ("cores", "memory_mb", "nodes", "gpus")
QUEUE = ("name", *NUMBERS, "wall", "mpi")
TOOL = ("tool", "setup", "environment", "wrapper")
EMPTY_QUEUE: dict[str, Any] = {"name": "", "nodes": 1, "gpus": 0, "wall": "", "mpi": False}
WORDS = {"invalid": "Write a whole number.", "required": "Write a whole number."}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What stands in a row's fields, and what is wrong beside them, both by the field's name; ``fresh`` once added."""

    number: int
    texts: dict[str, Any]
    errors: dict[str, str] = field(default_factory=dict)
    fresh: bool = False

    @property
    def number_text(self) -> str:
        """The number as it stands in the names of the row's fields."""
        return str(self.number)


def numbered(texts: list[dict[str, Any]], *, fresh: bool = False) -> list[Row]:
    """Rows in this order; the last is ``fresh`` when one was added."""
    last = len(texts) - 1
    return [Row(number=number, texts=one, fresh=fresh and number == last) for number, one in enumerate(texts)]


def sent(post: Mapping[str, str], kind: str, names: tuple[str, ...], *, without: str = "") -> list[dict[str, Any]]:
    """The rows as they were sent, in order, but for the one of the number ``without``."""
    found = {match[1] for key in post if (match := re.match(rf"{kind}-(\d{{1,4}})-", key))} - {without}
    return [
        {name: post.get(f"{kind}-{number}-{name}", "").replace("\r\n", "\n") for name in names}
        for number in sorted(found, key=int)
    ]


# --- queues


def queue_texts(queue: Queue) -> dict[str, Any]:
    """A queue as it stands in its row."""
    texts = {name: getattr(queue, name) for name in ("name", *NUMBERS, "mpi")}
    return texts | {"wall": as_time(queue.wall_seconds)}


def checked_queues(rows: list[Row]) -> tuple[list[Row], list[dict[str, Any]]]:
    """The rows with what is wrong in each, and what the service takes."""
    told, given = [], list[dict[str, Any]]()
    for row in rows:
        data: dict[str, Any] = {"name": row.texts["name"].strip(), "mpi": bool(row.texts["mpi"])}
        data |= {name: text for name in NUMBERS if (text := row.texts[name].strip())}
        errors = {}
        try:
            data["wall_seconds"] = seconds_of(row.texts["wall"].strip())
        except ValueError as wrong:
            errors["wall"] = str(wrong)
        checked = NewQueueSerializer(data=data)
        if not checked.is_valid():
            wrong_ones = {"wall" if name == "wall_seconds" else name: said for name, said in checked.errors.items()}
            errors |= {name: WORDS.get(said[0].code, str(said[0])) for name, said in wrong_ones.items()}
        if data["name"] in [one.get("name") for one in given]:
            errors["name"] = "Another queue has this name: give each one of its own, or remove one of them."
        given.append(dict(checked.validated_data) if checked.is_valid() else data)
        told.append(Row(number=row.number, texts=row.texts, errors=errors))
    return told, given


def seconds_of(text: str) -> int | None:
    """Seconds of ``[days-]hours:minutes[:seconds]``, None of nothing; ValueError says how to write it."""
    if not text:
        return None
    match = TIME.match(text)
    if match is None:
        raise ValueError("Write hours:minutes:seconds, such as 24:00:00, or leave it empty.")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def as_time(seconds: int | None) -> str:
    """``hours:minutes:seconds``; nothing for None."""
    if seconds is None:
        return ""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


# --- tools


def tool_texts(tools: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is installed as it stands in the rows."""
    return [
        {
            "tool": name,
            "setup": "\n".join(shlex.join(line) for line in one.get("setup") or []),
            "environment": "\n".join(
                f"{variable}={shlex.quote(value)}" for variable, value in (one.get("environment") or {}).items()
            ),
            "wrapper": shlex.join(one.get("wrapper") or []),
        }
        for name, one in tools.items()
    ]


def checked_tools(rows: list[Row]) -> tuple[list[Row], dict[str, Any]]:
    """The rows with what is wrong in each, and what the service takes."""
    told, given = [], dict[str, Any]()
    for row in rows:
        tool, found, errors = row.texts["tool"].strip(), dict[str, Any](), dict[str, str]()
        if not tool or tool in given:
            errors["tool"] = "This tool has a row already: write it all into one." if tool else "Choose a tool."
        for name, read in (("setup", commands), ("environment", variables), ("wrapper", words)):
            try:
                found[name] = read(row.texts[name])
            except ValueError as wrong:
                errors[name] = str(wrong)
        given[tool] = {name: value for name, value in found.items() if value}
        told.append(Row(number=row.number, texts=row.texts, errors=errors))
    return told, given


def commands(text: str) -> list[list[str]]:
    """The words of each command, one a line; ValueError when a quotation does not end."""
    found, pending = [], ""
    for line in text.split("\n"):
        pending += line
        try:
            read = shlex.split(pending)
        except ValueError:  # a word may hold a new line
            pending += "\n"
            continue
        pending = ""
        found += [read] if read else []
    if pending:
        raise ValueError(f"A quotation does not end: {pending.strip().splitlines()[0]!r}. Close it on the same line.")
    return found


def variables(text: str) -> dict[str, str]:
    """Values by name of ``NAME=value`` lines; ValueError names what is none."""
    found = {}
    for word in words(text):
        name, equals, value = word.partition("=")
        if not equals or not VARIABLE.match(name):
            raise ValueError(f"“{word}” is not NAME=value. A value with blanks needs quotes: NAME='a b'.")
        found[name] = value
    return found


def words(text: str) -> list[str]:
    """The words of a text as a shell reads them; ValueError when a quotation does not end."""
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("A quotation does not end: close it, or write \\' for the sign itself.") from None
