"""What every tool script needs: errors in one line, progress, running RELION, and files that appear only when whole.

This file travels with a job. It needs Python 3.11 and nothing of the portal.
"""

import argparse
import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

TIME_LIMIT = 14 * 24 * 3600.0
"""Seconds after which a program is ended; the scheduler's limit is normally much shorter."""

LOOK_EVERY = 0.5
"""Seconds between two looks at what a running program has written."""


class ToolError(Exception):
    """Something the user can mend: what is wrong and where, what to change, and the input that it is about."""

    def __init__(self, code: str, message: str, *, hint: str = "", about: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.about = about

    def line(self) -> str:
        """Return the error as the one line that the portal reads from stderr."""
        body = {"code": self.code, "message": self.message, "hint": self.hint, "input": self.about}
        return "portolan-error: " + json.dumps(body, ensure_ascii=False)


class Parser(argparse.ArgumentParser):
    """A command line whose mistakes are ToolErrors too."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake instead of printing the usage."""
        raise ToolError("bad-argument", message, hint="Check the values of the form.")


def run_tool(main: Callable[[], None]) -> NoReturn:
    """Run a tool's main function and leave with 0, or with 2 and one line on stderr that says what to change."""
    try:
        main()
    except ToolError as error:
        print(error.line(), file=sys.stderr, flush=True)
        raise SystemExit(2) from None
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        hint = "Free some space or ask for more quota, then run again." if error.errno in (28, 122) else ""
        print(
            ToolError("file-error", f"{error.strerror or error}{where}", hint=hint).line(), file=sys.stderr, flush=True
        )
        raise SystemExit(2) from None
    raise SystemExit(0)


def progress(done: int, total: int, text: str) -> None:
    """Print one line from which the page shows how far the tool is."""
    print(f"portolan-progress: {done}/{total} {text}", flush=True)


def warn(code: str, message: str) -> None:
    """Print one line that the page shows as a warning; the tool goes on."""
    print("portolan-warning: " + json.dumps({"code": code, "message": message}, ensure_ascii=False), flush=True)


def require(holds: bool, about: str, message: str, hint: str) -> None:
    """Raise a ToolError for the input `about` unless the condition holds."""
    if not holds:
        raise ToolError("out-of-range", message, hint=hint, about=about)


def above_zero(value: float, about: str, title: str) -> None:
    """Raise a ToolError unless the value is a finite number above zero."""
    require(
        math.isfinite(value) and value > 0, about, f"{title} is {value:g}; it must be above zero.", f"Give {title} > 0."
    )


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to; after the block the file stands, synced, under its final name, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(0o660)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all; a rewrite is seen at once by whoever follows the file."""
    with whole(path) as part:
        part.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as CSV with the first row's keys as header, whole or not at all."""
    with whole(path) as part, part.open("w", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def keep(source: Path, target: Path) -> None:
    """Move a program's finished output to its final name on the same file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as written:
        os.fsync(written.fileno())
    source.replace(target)


def share(source: Path, target: Path) -> None:
    """A program's finished output stands under its final name as well; the program still finds it where it wrote it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as written:
        os.fsync(written.fileno())
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without second names
        with whole(target) as part:
            shutil.copyfile(source, part)


def mpi(ranks: int) -> list[str]:
    """Return the words before a program that make it run with so many MPI ranks on this machine; none for one rank."""
    if ranks <= 1:
        return []
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]


def start_program(argv: Sequence[str], *, log: Path, cwd: Path) -> subprocess.Popen[bytes]:
    """Return the started program; what it prints goes to `log`, after the command itself."""
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    for program in [word for word in argv if word.startswith("relion_")][:1]:
        say_version(program)
    with log.open("ab") as out:
        out.write(("$ " + " ".join(argv) + "\n").encode())
        out.flush()
        try:
            return subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=environment
            )
        except FileNotFoundError:
            raise ToolError(
                "program-missing",
                f"The program {argv[0]} is not installed where this job ran.",
                hint="Choose another compute site, or ask its operator to install RELION.",
            ) from None


@cache
def say_version(program: str) -> None:
    """Print, once, which RELION it is that does the work; the line is kept with the results."""
    with suppress(OSError, subprocess.SubprocessError):
        argv = [program.removesuffix("_mpi"), "--version"]
        told = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        if found := re.search(r"RELION version:\s*(\S+)", told.stdout):
            print(f"portolan-software: RELION {found[1]}", flush=True)


def end_programs(running: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the programs that still run."""
    for program in running:
        if program.poll() is None:
            program.kill()
            program.wait(timeout=30)


def check_ended(program: subprocess.Popen[bytes], log: Path) -> None:
    """Raise a ToolError when an ended program did not succeed: which signal killed it, or its own last words."""
    code = program.returncode
    words = [str(word) for word in program.args]  # type: ignore[union-attr]
    name = next((word for word in words if "relion" in word), words[0])
    killed = -code if code < 0 else code - 128 if code > 128 else 0
    if killed:
        label = signal.Signals(killed).name if killed in set(signal.Signals) else f"signal {killed}"
        hint = "Often the machine had too little memory: ask for more, or use fewer threads or larger binning."
        raise ToolError("program-killed", f"{name} was ended by {label} before it had finished.", hint=hint)
    if code:
        raise ToolError(
            "program-failed",
            f"{name} ended with status {code}: {last_words(log)}",
            hint=f"The whole log is {log.name}.",
        )


def last_words(log: Path, limit: int = 300) -> str:
    """Return what a program's log says at the end: its error, which RELION puts on the next line, or its last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").replace("\r", "\n").splitlines() if line.strip()]
    told = [place for place, line in enumerate(lines) if "error" in line.lower() and not line.startswith("$")]
    if not told:
        return (lines or ["it said nothing"])[-1][:limit]
    words = " ".join(lines[told[-1] : told[-1] + 2]) if lines[told[-1]].endswith(":") else lines[told[-1]]
    return words[:limit]


def run_program(argv: Sequence[str], *, log: Path, cwd: Path, follow: Callable[[], None] | None = None) -> None:
    """Run a program to its end, calling `follow` now and then; raise a ToolError when it fails or is killed."""
    run_programs([argv], logs=[log], cwd=cwd, at_once=1, follow=follow)


def run_programs(
    commands: Sequence[Sequence[str]],
    *,
    logs: Sequence[Path],
    cwd: Path,
    at_once: int,
    follow: Callable[[], None] | None = None,
) -> None:
    """Run several programs, so many at once; the first failure ends the others and is raised."""
    waiting = list(zip(commands, logs, strict=True))
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    rounds = 0.0
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                argv, log = waiting.pop(0)
                running.append((start_program(argv, log=log, cwd=cwd), log))
            try:
                running[0][0].wait(timeout=LOOK_EVERY)
            except subprocess.TimeoutExpired:
                rounds += LOOK_EVERY
                require(rounds < TIME_LIMIT, "", "The program ran for 14 days.", "Use less data or a faster method.")
            for program, log in [pair for pair in running if pair[0].poll() is not None]:
                check_ended(program, log)
                running.remove((program, log))
            if follow is not None:
                follow()
    finally:
        end_programs([program for program, _ in running])
