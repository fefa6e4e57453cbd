"""What a site's row says of its tools: commands that come first, environment, words before the tool's own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from common.errors import UserError
from jobs.models import ComputeSite

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
PARTS = ("setup", "environment", "wrapper")


@dataclass(frozen=True, kw_only=True)
class Installed:
    """How a tool is had on a site. ``setup`` are lines for the job's shell, each word of them quoted."""

    setup: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()


def installed(site: ComputeSite, tool: str) -> Installed:
    """What holds for all tools of the site, and after it what holds for this one."""
    found = [site.tools[name] for name in ("*", tool) if name in site.tools]
    return Installed(
        setup=tuple(shlex.join(words) for one in found for words in one.get("setup") or []),
        environment={name: value for one in found for name, value in (one.get("environment") or {}).items()},
        wrapper=tuple(word for one in found for word in one.get("wrapper") or []),
    )


def checked_tools(tools: Any) -> None:
    """``tools`` is what a site's row may hold; UserError beside ``tools`` says what is wrong."""
    if not isinstance(tools, Mapping):
        _wrong("must be an object with tools by name")
    for name, one in tools.items():
        if not isinstance(one, Mapping) or set(one) - set(PARTS):
            _wrong(f"has for “{name}” something else than an object with {', '.join(PARTS)}")
        if not all(_are_words(line) for line in one.get("setup") or []):
            _wrong(f"has for “{name}” a setup that is not a list of commands, each a list of words")
        if not _are_words(one.get("wrapper") or []):
            _wrong(f"has for “{name}” a wrapper that is not a list of words")
        environment = one.get("environment") or {}
        pairs = isinstance(environment, Mapping) and _are_words(list(environment.values()))
        if not pairs or not all(VARIABLE.match(variable) for variable in environment):
            _wrong(f"has for “{name}” an environment that is not an object of variables")


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) and "\0" not in word for word in value)


def _wrong(words: str) -> NoReturn:
    raise UserError(f"The site's list of tools {words}.", code="bad_site_tools", field="tools")
