"""Sandboxes of the SSH door: one for sshd, one for each session. The kernel holds them, not a look at paths.

In a session's sandbox there are programs (read-only), the link's folder under ``/data``, and nothing else: no network,
no other process, no file of the portal. So a link in the folder that leads out leads nowhere, and ``..`` ends there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from storage.door.ssh.orders import DATA, REPORT
from storage.links.ssh_keys import COMMAND, USER
from storage.paths import HIDDEN, clean, open_unlinked

UID = "1000"
PASSWD = f"{USER}:*:{UID}:{UID}:{USER}:/:/bin/sh\n"
GROUP = f"{USER}:x:{UID}:\n"
OPENER = '#!/bin/sh\nexec "{python}" -I -S /door/connect.py "$1"\n'
SYSTEM = ("bin", "sbin", "lib", "lib64")
CONFIG = Path(__file__).resolve().parents[3] / "deploy" / "sshd_config"
CONNECT = Path(__file__).with_name("connect.py")


@dataclass(kw_only=True)
class Walled:
    """A command in its sandbox; ``fds`` stay open for it until it has started."""

    argv: list[str]
    fds: list[int] = field(default_factory=list)


@contextmanager
def around_sshd(sshd: str, bwrap: str, *, address: str, port: int, keys: Path, keeper: Path) -> Iterator[Walled]:
    """sshd where nothing of the portal is but its keys for this, what a login runs, and the keeper's socket."""
    python = os.path.realpath(sys.executable)
    argv = [bwrap, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    argv += ["--uid", UID, "--gid", UID, "--clearenv", *_programs(), "--dev", "/dev"]
    if not python.startswith("/usr/"):
        argv += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    with ExitStack() as stack:
        texts = [("/etc/passwd", PASSWD, "0444"), ("/etc/group", GROUP, "0444")]
        texts += [(COMMAND, OPENER.format(python=python), "0555")]
        texts += [("/door/signing_key.pub", (keys / "signing_key.pub").read_text(), "0444")]
        fds = [_add_text(stack, argv, where, text, mode) for where, text, mode in texts]
        for source, target in (
            (keys / "host_key", "/door/host_key"),
            (CONFIG, "/door/sshd_config"),
            (CONNECT, "/door/connect.py"),
            (keeper, "/door/keeper"),
        ):
            argv += ["--ro-bind", str(source), target]
        argv += ["--remount-ro", "/", "--", sshd, "-D", "-e", "-f", "/door/sshd_config"]
        yield Walled(argv=[*argv, "-p", str(port), "-o", f"ListenAddress={address}"], fds=fds)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What of a project a session sees: ``path`` (a file, or a folder) with ``locked`` folders below it for reading."""

    root: Path
    path: str
    is_file: bool
    writes: bool
    locked: Sequence[str] = ()


@contextmanager
def around_session(command: list[str], opening: Opening, *, bwrap: str, report: Path, empty: Path) -> Iterator[Walled]:
    """``command`` where nothing is but programs and what ``opening`` says; ``report`` is the pipe it reports to.

    NotFound when the folder is gone by now; no link is followed on the way to it.
    """
    argv = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--uid", UID, "--gid", UID]
    argv += ["--clearenv", "--setenv", "LC_ALL", "C.UTF-8", *_programs(), "--dev", "/dev"]
    with ExitStack() as stack:
        fds = [_add_text(stack, argv, "/etc/passwd", PASSWD, "0444")]
        for source, target, writes in _binds(opening):
            fd = open_unlinked(opening.root, source, directory=not opening.is_file)
            stack.callback(os.close, fd)
            fds.append(fd)
            argv += ["--bind" if writes else "--ro-bind", f"/proc/self/fd/{fd}", target]
        if not opening.path:  # what the portal keeps beside the project's files is an empty folder here
            argv += ["--ro-bind", str(empty), f"{DATA}/{HIDDEN}"]
        argv += ["--bind", str(report), REPORT, "--remount-ro", "/", "--chdir", DATA, "--", *command]
        yield Walled(argv=argv, fds=fds)


def _binds(opening: Opening) -> Iterator[tuple[str, str, bool]]:
    """(path in the project, where it is in the sandbox, whether it can be written)."""
    if opening.is_file:
        yield opening.path, f"{DATA}/{opening.path.rpartition('/')[2]}", False
        return
    yield opening.path, DATA, opening.writes
    if opening.writes:
        for path in opening.locked:
            below = clean(path)[len(opening.path) :].lstrip("/") if opening.path else path
            yield path, f"{DATA}/{below}", False


def _programs() -> list[str]:
    """The system's programs and libraries, for reading."""
    found = ["--ro-bind", "/usr", "/usr"]
    for name in SYSTEM:
        here = Path("/") / name
        if here.is_symlink():
            found += ["--symlink", os.readlink(here), str(here)]
        elif here.is_dir():
            found += ["--ro-bind", str(here), str(here)]
    return found


def _add_text(stack: ExitStack, argv: list[str], where: str, text: str, mode: str) -> int:
    """The file ``where`` of the sandbox holds ``text``; the descriptor that it is read from."""
    fd = os.memfd_create("text", 0)
    stack.callback(os.close, fd)
    os.write(fd, text.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    argv += ["--perms", mode, "--ro-bind-data", str(fd), where]
    return fd
