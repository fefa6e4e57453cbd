"""What rsync and sftp-server say they did, line by line, as what was done.

rsync writes the format of ``orders.REPORT_FORMAT`` into its log, sftp-server its own words. A line that is too long or
strange is passed over: then the folder is measured again, and nothing else is lost.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from storage.door.ssh.orders import DATA

# Date, time, process; then what was done, how the file differed ("+" all over: it is new), its size and name.
_RSYNC = re.compile(rb"\S+ \S+ \[\d+\] -> (send|recv) [<>]f(\S+) (\d+) (.*)")
_CLOSED = re.compile(rb'close "(.*)" bytes read (\d+) written (\d+)')
_FORCED = re.compile(rb'forced close "(.*)" bytes read (\d+) written (\d+)')
_RENAMED = re.compile(rb'(?:posix-)?rename old "(.*)" new "(.*)"')
_OPENED = re.compile(rb'open "(.*)" flags (\S+) mode \d+')
_RSYNC_SIGN, _SFTP_SIGN = re.compile(rb"\\#([0-7]{3})"), re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A file that came or went; ``path`` is below the link's folder, and ``size`` what was moved of it.

    ``new`` is None where it is not known whether something had the name before; ``whole`` is False for one that was
    cut while it was written.
    """

    path: str
    size: int
    came: bool
    new: bool | None = None
    whole: bool = True


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A file or folder that has another name now."""

    old: str
    new: str


Event = Moved | Renamed


def read_rsync(line: bytes) -> list[Event]:
    """What a line of rsync's log tells."""
    found = _RSYNC.fullmatch(line.strip())
    if found is None:
        return []
    word, flags, size, name = found.groups()
    came = word == b"recv"
    path = _plain(_RSYNC_SIGN.sub(_octal, name))
    return [Moved(path=path, size=int(size), came=came, new=flags.startswith(b"+") if came else None)]


class SftpReader:
    """Reads the lines of one sftp-server; with ``only_new`` whatever was opened for writing is new."""

    def __init__(self, *, only_new: bool) -> None:
        self.only_new = only_new

    def read(self, line: bytes) -> list[Event]:
        """What a line tells."""
        line = line.strip()
        if found := _RENAMED.fullmatch(line):
            return [Renamed(old=_sftp_path(found[1]), new=_sftp_path(found[2]))]
        forced = _FORCED.fullmatch(line)
        found = forced or _CLOSED.fullmatch(line)
        if found is None:
            return []
        path, read, written = _sftp_path(found[1]), int(found[2]), int(found[3])
        events: list[Event] = []
        if written:
            new = True if self.only_new else None
            events.append(Moved(path=path, size=written, came=True, new=new, whole=forced is None))
        elif read:
            events.append(Moved(path=path, size=read, came=False))
        return events


def _octal(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8) & 0xFF])


def _plain(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _sftp_path(name: bytes) -> str:
    text = _plain(_SFTP_SIGN.sub(_octal, name)).replace("\\\\", "\\")
    return posixpath.relpath(posixpath.join(DATA, text), DATA)
