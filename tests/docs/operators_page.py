"""What docs/operators.md prints in “Add a cluster”: settings, commands and the table of schedulers."""

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"
SECTION = PAGE.read_text().partition("\n## Add a cluster\n")[2].partition("\n## ")[0]


def paragraphs(title: str) -> str:
    """What stands under ``**title.**``, up to the next such title."""
    found = re.search(rf"^\*\*{re.escape(title)}\.\*\*(.*?)(?=^\*\*|\Z)", SECTION, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def settings_under(title: str) -> list[dict[str, Any]]:
    """The JSON objects that are printed there, in order."""
    return [json.loads(one) for one in re.findall(r"`(\{.*?\})`", paragraphs(title), re.DOTALL)]


def commands_under(title: str) -> str:
    """The lines of the code block that is printed there."""
    return "\n".join(re.findall(r"^```\n(.*?)^```$", paragraphs(title), re.MULTILINE | re.DOTALL))


def table() -> dict[str, set[str]]:
    """The keys of the settings by scheduler."""
    rows = re.findall(r"^\| `((?!scheduler)\w+)` \| (.*?) \|", SECTION, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", keys)) for name, keys in rows}
