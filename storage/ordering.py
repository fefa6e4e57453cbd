"""In which order names of a folder are shown, which of them, and how a page says where the next one begins."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

from common.errors import UserError

SORTS = ("name", "size", "modified")
MATCH_LENGTH = 200

# Folder or file, the figure that is sorted by (0 by name), the name as people count, the name itself.
Key = tuple[int, int, list[tuple[int, int, str]], str]


@dataclass(frozen=True, kw_only=True)
class Order:
    """By name, size or date of change; folders stay first, equal ones are by name.

    ``match`` is a part of the name in any case of its letters, or a pattern of the whole name with ``*`` and ``?``;
    empty, every name fits.
    """

    by: str = "name"
    descending: bool = False
    match: str = ""

    @property
    def backwards(self) -> bool:
        """Whether the greatest key comes first; figures turn their sign instead."""
        return self.descending and self.by == "name"

    def fits(self, name: str) -> bool:
        """Whether ``name`` is one of those asked for."""
        if not self.match:
            return True
        word, name = _plain(self.match), _plain(name)
        if "*" in word or "?" in word:
            return fnmatchcase(name, word.replace("[", "[[]"))
        return word in name

    def key(self, name: str, *, is_dir: bool, value: int = 0) -> Key:
        """Where ``name`` comes: greater is later, or with ``backwards`` earlier."""
        first = (0 if is_dir else 1) * (-1 if self.backwards else 1)
        return (first, -value if self.descending else value, natural(name), name)


USUAL = Order()


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key by which "movie 2" comes before "movie 10"."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


# --- cursors


@contextmanager
def bad_cursor() -> Iterator[None]:
    """What goes wrong inside is a cursor that we never gave: UserError ``bad_cursor``."""
    try:
        yield
    except (OSError, ValueError, OverflowError, TypeError, KeyError, AttributeError) as error:
        raise UserError("This cursor is not one of ours.", code="bad_cursor", field="cursor") from error


def write_cursor(mark: Key | int, order: Order) -> str:
    """The cursor of the page after ``mark``: a key, or a position in the disk's order."""
    body: dict[str, object] = {"o": mark} if isinstance(mark, int) else {"d": mark[0], "v": mark[1], "n": mark[3]}
    asked = {"by": order.by, "down": int(order.descending)} if order.by != "name" or order.descending else {}
    return base64.urlsafe_b64encode(json.dumps({**body, **asked}).encode()).decode().rstrip("=")


def read_cursor(cursor: str, order: Order) -> Key | int | None:
    """The mark in ``cursor``; None for the first page. UserError ``bad_cursor``, also for one of another order."""
    if not cursor:
        return None
    with bad_cursor():
        body = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if (body.get("by", "name"), bool(body.get("down"))) != (order.by, order.descending):
            raise ValueError("a cursor of another order")
        if "o" in body:
            return int(body["o"])
        name = str(body["n"])
        return (int(body["d"]), int(body.get("v", 0)), natural(name), name)
