"""The demo's story: a researcher's three jobs through the REST API, and what their results must look like.

``PORTOLAN_TOKEN=… python -m gateway.running.walk URL SAMPLES`` does the short form against any instance: uploads the
two half maps of a sample folder and runs the resolution map on them.
"""

import csv
import io
import json
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.running.client import Gateway, Output, WalkFailed

PROJECT = "Sample project"
TOOLS = ("resolution_map", "first_map", "movie_alignment")
MAIN = "movie_alignment"
JOB_SECONDS = 900.0
# What docs/tools.md promises, beside the words that the API has for it.
OUTPUTS: dict[str, frozenset[str]] = {
    "resolution_map": frozenset(
        {"filtered_map", "slices", "fsc_chart", "histogram_chart", "local_resolution", "fsc_table", "summary"}
    ),
    "first_map": frozenset({"maps", "slices", "progress_chart", "scores", "summary"}),
    "movie_alignment": frozenset(
        {"drift_chart", "motion_chart", "motion_table", "previews", "averages", "averages_before", "power_spectra"}
    ),
}
# In Å: the sample's half maps are simulated with 8 to 16.
SANE_RESOLUTION = (6.0, 16.0)


@dataclass(frozen=True, kw_only=True)
class Done:
    """A job of the walk with its checked results."""

    tool: str
    job_id: str
    seconds: float | None
    outputs: list[Output]
    found: str


def three_results(gateway: Gateway, say: Callable[[str], None], *, site: str = "") -> tuple[str, list[Done]]:
    """(the sample project's id, its three jobs): all succeeded, and their outputs are what they should be.

    The main job, the movie alignment, runs on ``site`` where one is named.
    """
    project = gateway.project(PROJECT, "sample")
    say(f"  Project “{PROJECT}” is ready")
    jobs = [(tool, _start(gateway, project, tool, site=site if tool == MAIN else "")) for tool in TOOLS]
    return project, [_finish(gateway, project, tool, job, say) for tool, job in jobs]


def upload_and_run(gateway: Gateway, samples: Path, say: Callable[[str], None]) -> Done:
    """Half maps of ``samples`` were uploaded by tus and the resolution map ran on them."""
    project = gateway.project(f"Uploaded {os.getpid()}", "empty")
    for half in ("half1.mrc", "half2.mrc"):
        gateway.upload(project, f"samples/resolution/{half}", samples / "resolution" / half)
    say("  Uploaded two half maps")
    return _finish(gateway, project, "resolution_map", _start(gateway, project, "resolution_map", need="half"), say)


def _start(gateway: Gateway, project: str, tool: str, need: str = "", site: str = "") -> str:
    """The job's id. One that succeeded before is found again by its key, one that did not gets another try."""
    about = gateway.call("GET", f"/tools/{tool}/")
    inputs = {name: value for name, value in about["sample"].items() if _wanted(name, value, need)}
    for number in range(1, 100):
        key = f"demo-{tool}-{about['digest'][:12]}-{f'{site}-' if site else ''}{number}"
        job = gateway.submit(project, tool, inputs, key, site)
        if job["state"] not in ("failed", "cancelled"):
            return str(job["id"])
    raise WalkFailed(f"{tool} failed 99 times.")


def _wanted(name: str, value: Any, need: str) -> bool:
    """False for a file input that was not uploaded."""
    return not need or not isinstance(value, dict | list) or name.startswith(need)


def _finish(gateway: Gateway, project: str, tool: str, job_id: str, say: Callable[[str], None]) -> Done:
    told: list[str] = []

    def tell(job: dict[str, Any]) -> None:
        text = f"  {tool}: {job['state'].replace('_', ' ')}"
        done, total = (job.get("progress") or {}).get("done"), (job.get("progress") or {}).get("total")
        text += f" {done}/{total}" if total and job["state"] == "running" else ""
        if not told or told[-1] != text:
            told.append(text)
            say(text)

    job = gateway.finish(job_id, seconds=JOB_SECONDS, tell=tell)
    if job["state"] != "succeeded":
        raise WalkFailed(f"{tool} {job['state']}: {job.get('reason')} {json.dumps(job.get('failure') or {})}")
    outputs = gateway.outputs(project, job_id)
    found = check(tool, outputs)
    say(f"  {tool}: {len(outputs)} outputs checked; {found}")
    return Done(tool=tool, job_id=job_id, seconds=None, outputs=outputs, found=found)


def check(tool: str, outputs: list[Output]) -> str:
    """What was found, in words; WalkFailed when a promised result is missing, not of its type, or not sane."""
    missing = sorted(OUTPUTS[tool] - {output.name for output in outputs})
    if missing:
        raise WalkFailed(f"{tool} gave no {', '.join(missing)}.")
    for output in outputs:
        _check_type(output)
    return SANE[tool]({output.name: output for output in outputs})


def _check_type(output: Output) -> None:
    suffix, content = Path(output.path).suffix.lower(), output.content
    try:
        good = CHECKS[suffix](content) if suffix in CHECKS else True
    except (ValueError, struct.error, csv.Error) as error:
        raise WalkFailed(f"{output.path} can't be read: {error}") from None
    if not good:
        raise WalkFailed(f"{output.path} is not what its name says.")


def _is_mrc(content: bytes) -> bool:
    columns, rows, sections, mode = struct.unpack("<4i", content[:16])
    bytes_each = {0: 1, 1: 2, 2: 4, 6: 2, 12: 2}[mode]
    extra = struct.unpack("<i", content[92:96])[0]
    return content[208:211] == b"MAP" and len(content) == 1024 + extra + columns * rows * sections * bytes_each


def _is_table(content: bytes) -> bool:
    rows = list(csv.reader(io.StringIO(content.decode())))
    return len(rows) > 1 and {len(row) for row in rows} == {len(rows[0])}


CHECKS: dict[str, Callable[[bytes], bool]] = {
    ".mrc": _is_mrc,
    ".mrcs": _is_mrc,
    ".json": lambda content: bool(json.loads(content)),
    ".csv": _is_table,
    ".png": lambda content: content.startswith(b"\x89PNG\r\n") and content.rstrip().endswith(b"IEND\xaeB`\x82"),
    ".star": lambda content: b"loop_" in content or b"_rln" in content,
}


def _resolution(outputs: dict[str, Output]) -> str:
    summary = json.loads(outputs["summary"].content)
    found = float(summary["resolution_A"])
    if not SANE_RESOLUTION[0] <= found <= SANE_RESOLUTION[1]:
        raise WalkFailed(f"A resolution of {found} Å can't be right for the sample.")
    return f"resolution {found:.1f} Å"


def _motion(outputs: dict[str, Output]) -> str:
    rows = list(csv.DictReader(io.StringIO(outputs["motion_table"].content.decode())))
    totals = [float(row["total_motion_A"]) for row in rows]
    if not all(0 < total < 200 for total in totals):
        raise WalkFailed(f"Total motions of {totals} can't be right for the sample.")
    return f"{len(totals)} movies aligned, total motion {min(totals):.1f} to {max(totals):.1f} Å"


def _first(outputs: dict[str, Output]) -> str:
    rows = list(csv.DictReader(io.StringIO(outputs["scores"].content.decode())))
    return f"the best of {len(rows)} seeds"


SANE: dict[str, Callable[[dict[str, Output]], str]] = {
    "resolution_map": _resolution,
    "movie_alignment": _motion,
    "first_map": _first,
}


def main(argv: list[str]) -> int:
    """0 when the upload and the job went well."""
    gateway = Gateway(argv[0], os.environ["PORTOLAN_TOKEN"])
    try:
        upload_and_run(gateway, Path(argv[1]), print)
    except WalkFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
