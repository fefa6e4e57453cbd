"""A real sshd on loopback as "another machine". As root it has users of its own; else one logs in as oneself."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.running.slurm import program
from jobs.backends.ssh import Machine

CONF = """Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
PidFile {home}/pid
AuthorizedKeysFile {home}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions {sessions}
UseDNS no
PrintMotd no
Subsystem sftp internal-sftp
"""


@dataclass
class Sshd:
    """A running sshd; ``cut()`` ends it with all its sessions, ``start()`` brings it back on the same port.

    ``inside`` are words before its command, which make it run somewhere else.
    """

    home: Path
    machine: Machine
    inside: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        argv = [*self.inside, program("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", str(self.home / "sshd_config")]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.machine.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def sessions(self) -> list[int]:
        """The processes that serve connections."""
        found, todo = [], [self.process.pid]
        while todo:
            above = todo.pop()
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                        name = (entry / "comm").read_text().strip()
                    except OSError:
                        continue
                    if parent == str(above) and name.startswith("sshd"):
                        found.append(int(entry.name))
                        todo.append(int(entry.name))
        return found

    def cut(self) -> None:
        """The line is dead, in the middle of whatever went over it."""
        for pid in [self.process.pid, *self.sessions()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)


@contextmanager
def sshd_running(home: Path, *, sessions: int = 10, inside: list[str] | None = None) -> Iterator[Sshd]:
    """An sshd with keys of its own; nothing of it is left afterwards."""
    home.mkdir(parents=True)
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True, timeout=30)
    shutil.copy(home / "key.pub", home / "authorized_keys")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "sshd_config").write_text(CONF.format(port=port, home=home, sessions=sessions))
    host_key = " ".join((home / "host_key.pub").read_text().split()[:2])
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    machine = Machine(
        host="127.0.0.1",
        port=port,
        user=pwd.getpwuid(os.getuid()).pw_name,
        key_file=home / "key",
        known_hosts_file=home / "known_hosts",
    )
    server = Sshd(home=home, machine=machine, inside=inside or [])
    server.start()
    try:
        yield server
    finally:
        server.cut()
