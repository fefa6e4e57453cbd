"""The job script for a cluster's node. It asks for a POSIX ``sh`` with grep and coreutils, and Linux's ``/proc``.

Its first act is the fence: ``mkdir <control>/fence``. A second copy finds it there and leaves (status 76) without
touching anything. Its last act is the exit file, the same as ``jobs.backends.supervisor`` writes, by rename. In between
it forwards the site's SIGTERM to all processes of the job, wherever they have gone on the node (they carry a mark in
their environment), ends them after a few seconds, keeps the wall time itself (a scheduler's is in minutes), and looks
at the memory of all of them together. What it can't tell: an exit code of 129 to 192 is read as the signal that every
shell means by it. Memory is the scheduler's to limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from jobs.backends.base import JobRejected, JobSpec
from jobs.backends.runner import Runner
from jobs.backends.supervisor import EXIT_FILE, FENCE, GRACE_SECONDS, MARK, ROOM

UNREACHABLE, REFUSED = 75, 76
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

_SCRIPT = Path(__file__).with_name("job.sh").read_text()


def job_script(spec: JobSpec) -> str:
    """The script that runs ``spec`` on a node, without its first line; JobRejected for what no shell can hold."""
    for word in (*spec.argv, *spec.environment.values()):
        if "\0" in word:
            raise JobRejected("A parameter has a NUL character in it.", hint="Take it out; no command can get it.")
    same = spec.stderr == spec.stdout
    known = {
        "CONTROL": quote(str(spec.control)),
        "CWD": quote(str(spec.cwd)),
        "STDOUT": quote(str(spec.stdout)),
        "STDERR": quote(str(spec.stderr)),
        "STDIN": quote(str(spec.stdin or "/dev/null")),
        "ERR": "&1" if same else '> "$err"',
        # A name may begin another one; no name has a slash.
        "MARK": quote(f"{spec.name}/"),
        "WALL": str(spec.wall_seconds or 0),
        "GRACE": str(int(GRACE_SECONDS)),
        "FENCE": FENCE,
        "EXIT_FILE": EXIT_FILE,
        "ROOM": str(ROOM),
        "REFUSED": str(REFUSED),
        "UNREACHABLE": str(UNREACHABLE),
        "VARIABLE": MARK,
        "SETUP": "\n".join(spec.setup) or ":",
        "ENVIRONMENT": _exports(spec),
        "ARGV": " ".join(quote(word) for word in spec.argv),
    }
    return re.sub(r"@([A-Z_]+)@", lambda found: known[found[1]], _SCRIPT)


def array_script(runner: Runner, index: str, specs: Sequence[JobSpec]) -> str:
    """A script that runs one of ``specs``, by the number in the variable ``index``; the runner has put them there."""
    paths = [spec.control / "job.sh" for spec in specs]
    scripts = [job_script(spec).encode("utf-8", "surrogateescape") for spec in specs]
    runner.put_all(zip(paths, scripts, strict=True))
    cases = "\n".join(f"{number}) exec /bin/sh {quote(str(path))};;" for number, path in enumerate(paths))
    return f'case "${index}" in\n{cases}\nesac\nexit {UNREACHABLE}\n'


def _exports(spec: JobSpec) -> str:
    found = {name: str(spec.cores) for name in THREADS} | dict(spec.environment)
    for name in found:
        if not VARIABLE.match(name):
            raise JobRejected(f"“{name}” can't be the name of an environment variable.")
    return "\n".join(f"export {name}={quote(value)}" for name, value in found.items())
