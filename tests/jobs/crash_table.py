"""Writes the table of crashes into ``docs/reliability.md``: a worker is killed everywhere."""

import os
import tempfile
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "gateway.settings_test"
django.setup()

from jobs.lifecycle.points import POINTS  # noqa: E402
from tests.jobs.test_crashes import TABLE, run_host  # noqa: E402

BEGIN, END = "<!-- crashes: python -m tests.jobs.crash_table -->", "<!-- end of crashes -->"
HEAD = """# Reliability

## A worker is killed at every named point

For each point a job is submitted, the worker that reaches it is killed with SIGKILL, and another one goes on. “Ran” is
how often the tool ran; after a failure of the site at most once for each attempt. Outputs and crate are looked for.

"""


def main() -> None:
    """The table is new; the rest of the page stays."""
    with tempfile.TemporaryDirectory() as home:
        found = run_host(Path(home) / "home", list(POINTS))
    lines = ["| point | scheduler | killed | ends | attempts | ran | results lost |", "|---|---|---|---|---|---|---|"]
    for one in found:
        part = one["point"].partition(".")[0]
        where = {"stage_in": "local, copies", "stage_out": "local, copies", "gather": "local, array"}.get(part, "local")
        lost = "–" if one["state"] == "cancelled" else "none" if one["outputs"] and one["crate"] else "**yes**"
        lines.append(f"| `{one['point']}` | {where} | {'yes' if one['killed'] else '**no**'} | {one['state']} "
                     f"| {one['attempts']} | {one['effects']} | {lost} |")  # fmt: skip
    page = TABLE.read_text() if TABLE.exists() else ""
    table = "\n".join([BEGIN, "", *lines, "", END])
    before, begin, rest = page.partition(BEGIN)
    if begin:
        TABLE.write_text(before + table + rest.partition(END)[2])
    else:
        title, _, more = page.partition("\n")
        TABLE.write_text(HEAD + table + "\n" + (more if title.startswith("# ") else page))


if __name__ == "__main__":
    main()
