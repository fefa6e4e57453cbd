"""Writes the table of crashes into ``docs/reliability.md``: a worker is killed everywhere.

``python -m tests.jobs.crash_table gather retry`` tries the points of these parts alone; the other rows stay.
"""

import os
import sys
import tempfile
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "gateway.settings_test"
django.setup()

from jobs.lifecycle.points import POINTS  # noqa: E402
from tests.jobs.crash_sites import TITLES, sites_running  # noqa: E402
from tests.jobs.test_crashes import BEGIN, END, TABLE, run_host  # noqa: E402


def main(parts: list[str]) -> None:
    """The rows of the wanted points are new; the rest of the page stays."""
    points = [point for point in POINTS if not parts or point.partition(".")[0] in parts]
    with tempfile.TemporaryDirectory(prefix="ptl-", dir="/tmp") as place:
        home = Path(place)
        home.chmod(0o755)
        with sites_running(home, list(TITLES)) as rows:
            wanted = [f"{name}:{point}" for name in TITLES for point in points]
            found = {(one["site"], one["point"]): one for one in run_host(home / "home", wanted, rows, seconds=3000)}
    before, _, rest = TABLE.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    known = {line.split("`")[1]: line for line in old.splitlines() if line.startswith("| `")}
    new = {point: f"| `{point}` | {' | '.join(told(found[name, point]) for name in TITLES)} |" for point in points}
    lines = [f"| point | {' | '.join(TITLES.values())} |", f"|{'---|' * (len(TITLES) + 1)}"]
    lines += [(known | new)[point] for point in POINTS]
    TABLE.write_text(before + "\n".join([BEGIN, "", *lines, "", END]) + after)


def told(one: dict) -> str:
    """How a job fared, in a cell; what must not be is bold."""
    words = [one["state"], f"{one['effects']} of {one['attempts']}"]
    if not one["killed"]:
        words.append("**not killed**")
    if one["effects"] > one["attempts"]:
        words.append("**ran twice**")
    if one["state"] != "cancelled" and not (one["outputs"] and one["crate"]):
        words.append("**results lost**")
    return ", ".join(words)


if __name__ == "__main__":
    main(sys.argv[1:])
