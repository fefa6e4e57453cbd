"""Where a scheduler's commands run. ``Here`` is this machine; ``jobs.backends.ssh`` is another one.

A command is an argv list and reaches the program as it is. Small files are read and written by a fixed line of
``sh`` that gets the path as an argument, so that there is one way for every machine.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath

from jobs.backends.base import SiteUnavailable

SECONDS = 30.0
MOST_BYTES = 2**20
ABSENT = 66
KEPT = ("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ")
_PUT = 'set -e; umask 027; part="$1.part.$$"; trap \'rm -f "$part"\' EXIT; cat > "$part"; mv -f "$part" "$1"'
_GET = 'test -e "$1" || exit 66; exec head -c "$2" "$1"'
_MAKE = 'mkdir "$1" 2>/dev/null && exit 0; test -d "$1" && exit 66; exec mkdir "$1"'


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a command ended and what it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """Its words on stderr, or those on stdout, in one line that is not too long."""
        return " ".join((self.stderr.strip() or self.stdout.strip()).split())[:500]


class Runner(ABC):
    """Runs commands on one machine. Its only error is SiteUnavailable: no answer, a time-out, no such program."""

    @abstractmethod
    def run(self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = SECONDS) -> Ran:
        """The command has ended by itself, with whatever status."""

    def checked(self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = SECONDS) -> str:
        """What the command said on stdout; SiteUnavailable unless it ended with status 0."""
        ran = self.run(argv, stdin=stdin, seconds=seconds)
        if ran.status != 0:
            raise SiteUnavailable(f"{argv[0]} ended with status {ran.status}: {ran.said}")
        return ran.stdout

    def put(self, path: PurePath, content: bytes) -> None:
        """The file holds ``content``, whole or not at all; its directory must be there."""
        self.checked(["sh", "-c", _PUT, "sh", str(path)], stdin=content)

    def put_all(self, files: Iterable[tuple[PurePath, bytes]]) -> None:
        """Each file holds its content, and its directory is there: one command for all, of which some may be cut."""
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path, content in files:
                entry = tarfile.TarInfo(str(path).lstrip("/"))
                entry.size, entry.mode = len(content), 0o640
                archive.addfile(entry, io.BytesIO(content))
        self.checked(["tar", "-x", "-m", "-o", "-f", "-", "-C", "/"], stdin=held.getvalue(), seconds=300)

    def get(self, path: PurePath, *, most: int = MOST_BYTES) -> bytes | None:
        """The first ``most`` bytes of the file; None when there is none."""
        ran = self.run(["sh", "-c", _GET, "sh", str(path), str(most)])
        if ran.status not in (0, ABSENT):
            raise SiteUnavailable(f"{path} could not be read: {ran.said}")
        return None if ran.status == ABSENT else ran.stdout.encode("utf-8", "surrogateescape")

    def exists(self, path: PurePath) -> bool:
        """True when something is at the path."""
        ran = self.run(["test", "-e", str(path)])
        if ran.status not in (0, 1):
            raise SiteUnavailable(f"{path} could not be looked for: {ran.said}")
        return ran.status == 0

    def make_dir(self, path: PurePath) -> bool:
        """True when the directory was made by this call (atomic), False when it was there."""
        ran = self.run(["sh", "-c", _MAKE, "sh", str(path)])
        if ran.status not in (0, ABSENT):
            raise SiteUnavailable(f"{path} could not be made: {ran.said}")
        return ran.status == 0

    def make_dirs(self, path: PurePath) -> None:
        """The directory is there, with all above it."""
        self.checked(["mkdir", "-p", "--", str(path)])

    def remove(self, path: PurePath) -> None:
        """Nothing is at the path; a link is removed, not followed."""
        self.checked(["rm", "-rf", "--", str(path)], seconds=300)


class Here(Runner):
    """This machine. Commands get a bare environment and ``environment``: nothing of the portal's own."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        own = {name: os.environ[name] for name in KEPT if name in os.environ}
        path = f"{os.environ.get('PATH') or os.defpath}:/usr/local/sbin:/usr/sbin:/sbin"
        self.environment = {"PATH": path, **own, **(environment or {})}

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = SECONDS) -> Ran:
        """The command has ended; one that takes longer than ``seconds`` was killed with all that it started."""
        try:
            process = subprocess.Popen(
                list(argv),
                cwd="/",
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise SiteUnavailable(f"{argv[0]} could not be started here: {error}") from error
        with process:
            try:
                out, problem = process.communicate(stdin, timeout=seconds)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise SiteUnavailable(f"{argv[0]} did not answer within {seconds:.0f} s.") from None
        return Ran(status=process.returncode, stdout=_text(out), stderr=_text(problem))


def _text(said: bytes) -> str:
    return said.decode("utf-8", "surrogateescape")
