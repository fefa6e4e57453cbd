"""What every kind of source answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote

from storage.imports.guard import Reach


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a source says of a file; ``size`` is None where it does not say."""

    size: int | None
    etag: str = ""
    modified: str = ""
    sums: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file at the source. ``facts`` is None where it has to be asked about; ``name`` is as the source tells it."""

    name: str
    address: str
    facts: Facts | None


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was found in one place, and the places that are still to be looked at."""

    files: list[Found]
    places: list[str]


class Source(Protocol):
    """One place outside. A *place* is a text that ``look`` understands; the first ones begin the listing."""

    home: str

    def signer(self, method: str, url: str) -> Mapping[str, str]:
        """Headers that let a request to ``home``'s server in."""

    def begin(self) -> list[str]:
        """The places where looking begins."""

    def look(self, reach: Reach, place: str) -> Look:
        """What is in ``place``."""

    def measure(self, reach: Reach, address: str) -> Facts:
        """What the source says of one file."""


def decoded(path: str) -> str:
    """A path of an address as a name; bytes that are no UTF-8 become what ``storage.paths`` refuses."""
    return unquote(path, errors="surrogateescape")


def as_length(text: str | None) -> int | None:
    """A number of bytes as a source writes it; None for anything else."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
