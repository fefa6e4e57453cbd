"""The keeper of the SSH door: it starts sshd and runs the sessions of those whom sshd has let in."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from common.errors import Unavailable
from storage.door.ssh import sandbox
from storage.door.ssh.session import REFUSED, Hello, Workshop, run
from storage.links import ssh_keys
from storage.links.traffic import Ledger

log = logging.getLogger("portolan.door.ssh")
PROGRAMS = ("sshd", "bwrap", "rsync", "prlimit")
MOST_SESSIONS = 64
LONGEST_HELLO = 256 * 1024
HELLO_SECONDS = 10.0
WRITE_SECONDS = 1.0
SYSTEM_PATH = f"/usr/sbin:/sbin:{os.defpath}"


def find_programs() -> dict[str, str]:
    """name -> full path of what the SSH door runs; Unavailable names what is missing or does not work here."""
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    found = {name: shutil.which(name, path=path) or "" for name in PROGRAMS}
    missing = [name for name, where in found.items() if not where]
    if missing:
        raise Unavailable(
            f"The SSH door needs {', '.join(missing)}.", code="program_missing",
            hint="On Debian: apt-get install openssh-server rsync bubblewrap.",
        )  # fmt: skip
    tried = [found["bwrap"], "--unshare-all", "--ro-bind", "/", "/", "--", "true"]
    done = subprocess.run(tried, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise Unavailable(
            f"The SSH door can't make sandboxes here: {done.stderr.strip()}.", code="no_sandbox",
            hint="User namespaces must be allowed to this account (in a container: by its seccomp profile).",
        )  # fmt: skip
    return found


class Keeper:
    """sshd and its sessions, until ``stopped()``."""

    def __init__(self, *, address: str, port: int, stopped: Callable[[], bool]) -> None:
        self.address, self.port, self.stopped = address, port, stopped
        self.ledger = Ledger()
        self.running = threading.Semaphore(MOST_SESSIONS)

    def serve(self) -> int:
        """Everything has ended; 0 when it was told to, 1 when sshd ended by itself."""
        programs = find_programs()
        ssh_keys.ensure_keys()
        keys: Path = settings.SSH_DOOR_KEYS
        (keys / "signing_key.pub").write_text(ssh_keys.signing_line() + "\n")
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portolan-ssh-")))
            for name in ("empty", "pipes"):
                (place / name).mkdir(mode=0o700)
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(place / "keeper"))
            listener.listen(MOST_SESSIONS)
            workshop = Workshop(
                bwrap=programs["bwrap"], prlimit=programs["prlimit"], empty=place / "empty", pipes=place / "pipes",
                ledger=self.ledger,
            )  # fmt: skip
            with sandbox.around_sshd(
                programs["sshd"], programs["bwrap"], address=self.address, port=self.port, keys=keys,
                keeper=place / "keeper",
            ) as walled:  # fmt: skip
                sshd = subprocess.Popen(walled.argv, pass_fds=walled.fds, stdin=subprocess.DEVNULL, cwd="/")
            try:
                return self._accept(listener, workshop, sshd)
            finally:
                sshd.kill()  # all that is in its sandbox ends with it
                sshd.wait(10)
                self._write()

    def _accept(self, listener: socket.socket, workshop: Workshop, sshd: subprocess.Popen[bytes]) -> int:
        written = time.monotonic()
        while not self.stopped():
            if sshd.poll() is not None:
                log.error("sshd ended with status %s", sshd.returncode)
                return 1
            if select.select([listener], [], [], 0.25)[0]:
                threading.Thread(target=self._receive, args=(listener.accept()[0], workshop), daemon=True).start()
            if time.monotonic() - written >= WRITE_SECONDS:
                self._write()
                written = time.monotonic()
        return 0

    def _write(self) -> None:
        close_old_connections()
        try:
            self.ledger.write()
        except DatabaseError:
            log.exception("the log of links could not be written; it is tried again")

    def _receive(self, peer: socket.socket, workshop: Workshop) -> None:
        ends: list[int] = []
        with peer:
            try:
                hello = _hello(peer, ends)
                status = self._run(hello, workshop, peer)
            except Exception:
                # Whatever it is, this one session has failed, and the next one must not.
                log.exception("a session failed")
                status = REFUSED
            finally:
                for end in ends:
                    os.close(end)
            with suppress(OSError):
                peer.sendall(bytes([status]))

    def _run(self, hello: Hello, workshop: Workshop, peer: socket.socket) -> int:
        if not self.running.acquire(blocking=False):
            os.write(hello.ends[2], b"portolan: too many transfers run here just now; try again in a minute\n")
            return REFUSED
        try:
            return run(hello, workshop, gone=lambda: self.stopped() or bool(select.select([peer], [], [], 0)[0]))
        finally:
            self.running.release()


def _hello(peer: socket.socket, ends: list[int]) -> Hello:
    """What ``connect.py`` sent; the session's ends are in ``ends`` at once, so that somebody closes them."""
    peer.settimeout(HELLO_SECONDS)
    head, fds, _, _ = socket.recv_fds(peer, 4, 3)
    ends += fds
    (length,) = struct.unpack(">I", head)
    if len(fds) != 3 or length > LONGEST_HELLO:
        raise ValueError("this is no session")
    text = b""
    while len(text) < length:
        block = peer.recv(length - len(text))
        if not block:
            raise ValueError("this is half a session")
        text += block
    said = json.loads(text)
    address = ipaddress.ip_address(said["connection"].split(" ")[0].partition("%")[0])
    return Hello(
        link_id=UUID(said["link"]), command=said["command"], address=str(address), ends=(fds[0], fds[1], fds[2])
    )
