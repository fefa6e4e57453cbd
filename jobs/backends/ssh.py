"""Commands on another machine, over one SSH connection a site and process that all threads share.

The connection lives in a background thread with its own event loop; commands are channels of it, at most ``channels``
at once (sshd's usual ``MaxSessions`` is 10). The host's key is pinned, the login key is named by its path and never
read into a setting. After a failed connection nothing is tried until a pause is over, which doubles up to a minute.

The argv is quoted once, for the login shell of the other side, which has to be a POSIX one (bash, zsh, dash, ksh).
"""

from __future__ import annotations

import asyncio
import os
import shlex
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from jobs.backends.base import SiteUnavailable
from jobs.backends.runner import SECONDS, Ran, Runner

CONNECT_SECONDS = 15.0
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where to log in, as whom, and by which key. Both files are named, never read into a setting.

    ``known_hosts_file`` pins the host's key: what ``ssh-keyscan`` prints, once compared with what its operators say.
    """

    host: str
    user: str
    key_file: Path
    known_hosts_file: Path
    port: int = 22
    channels: int = 8

    def command(self) -> list[str]:
        """OpenSSH's ``ssh`` to the same machine under the same conditions, without the host's name (for rsync)."""
        options = (
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts_file}",
            "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            f"ConnectTimeout={CONNECT_SECONDS:.0f}",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=3",
        )
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(self.key_file), "-p", str(self.port), "-l", self.user, *words]


class Ssh(Runner):
    """Another machine. ``environment`` is set for every command."""

    def __init__(self, machine: Machine, environment: Mapping[str, str] | None = None) -> None:
        self.machine = machine
        self.environment = dict(environment or {})

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = SECONDS) -> Ran:
        """The command has ended there; one that takes longer was told to end, and its channel is closed."""
        if any("\0" in word for word in argv):
            raise SiteUnavailable("A word of a command has a NUL character in it.")
        words = list(argv)
        if self.environment:
            words = ["env", *(f"{name}={value}" for name, value in self.environment.items()), *words]
        line = _line_to(self.machine)
        try:
            return _wait(line.run(shlex.join(words), stdin, seconds), seconds + 3 * CONNECT_SECONDS)
        except TookTooLong:
            raise SiteUnavailable(f"{self.machine.host} did not answer within {seconds:.0f} s.") from None


@dataclass
class _Line:
    """The one connection to a machine. Everything in it happens in the loop's thread."""

    machine: Machine
    connection: asyncssh.SSHClientConnection | None = None
    pause: float = 0.0
    again_at: float = 0.0
    problem: str = ""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _free: asyncio.Semaphore | None = None

    async def run(self, command: str, stdin: bytes, seconds: float) -> Ran:
        """How the command ended; SiteUnavailable when it can't be told."""
        if self._free is None:
            self._free = asyncio.Semaphore(self.machine.channels)
        async with self._free:
            connection = await self._connected()
            try:
                ran = await asyncio.wait_for(connection.run(command, input=stdin, encoding=None), seconds)
            except TimeoutError:
                raise SiteUnavailable(f"{self.machine.host} did not answer within {seconds:.0f} s.") from None
            except (asyncssh.Error, OSError) as error:
                self._drop(connection)
                raise SiteUnavailable(f"The connection to {self.machine.host} was lost: {error}") from error
        if ran.exit_status is None or ran.exit_status < 0:
            if connection.is_closed():
                self._drop(connection)
            raise SiteUnavailable(f"{self.machine.host} did not say how the command ended.")
        return Ran(status=ran.exit_status, stdout=_text(ran.stdout), stderr=_text(ran.stderr))

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._lock:
            if self.connection is not None and not self.connection.is_closed():
                return self.connection
            if time.monotonic() < self.again_at:
                raise SiteUnavailable(f"{self.problem} It is tried again in a moment.")
            try:
                self.connection = await asyncio.wait_for(self._connect(), CONNECT_SECONDS)
            except (TimeoutError, asyncssh.Error, OSError, ValueError) as error:
                self.pause = min(max(self.pause * 2, SHORTEST_PAUSE), LONGEST_PAUSE)
                self.again_at = time.monotonic() + self.pause
                self.problem = f"{self.machine.host} can't be reached: {_why(error)}."
                raise SiteUnavailable(self.problem) from error
            self.pause = 0.0
            return self.connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        machine = self.machine
        return await asyncssh.connect(
            machine.host,
            machine.port,
            username=machine.user,
            client_keys=[str(machine.key_file)],
            known_hosts=str(machine.known_hosts_file),
            agent_path=None,
            config=[],
            preferred_auth="publickey",
            keepalive_interval=15,
            keepalive_count_max=3,
        )

    def _drop(self, connection: asyncssh.SSHClientConnection) -> None:
        if self.connection is connection:
            self.connection = None
        connection.abort()


class _Pool:
    """The loop's thread and the lines of this process; a fork begins with an empty one."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.lines: dict[Machine, _Line] = {}
        threading.Thread(target=self.loop.run_forever, name="ssh", daemon=True).start()


_guard = threading.Lock()
_pools: list[_Pool] = []


def _pool() -> _Pool:
    with _guard:
        if not _pools or _pools[-1].pid != os.getpid():
            _pools[:] = [_Pool()]
        return _pools[-1]


def _line_to(machine: Machine) -> _Line:
    pool = _pool()
    with _guard:
        return pool.lines.setdefault(machine, _Line(machine))


def _wait(work: Coroutine[Any, Any, T], seconds: float) -> T:
    future = asyncio.run_coroutine_threadsafe(work, _pool().loop)
    try:
        return future.result(seconds)
    except TookTooLong:
        future.cancel()
        raise


def _text(said: Any) -> str:
    return bytes(said or b"").decode("utf-8", "surrogateescape")


def _why(error: BaseException) -> str:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return "its host key is not the one that was pinned"
    if isinstance(error, asyncssh.PermissionDenied):
        return "it does not accept the key"
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer within {CONNECT_SECONDS:.0f} s"
    return str(error) or type(error).__name__
