"""A private Slurm cluster on this machine: for ``make demo SLURM=1`` and for the tests. No Django here.

Everything is in one directory, every daemon listens on loopback, and nothing of the machine's own Slurm is touched.
Its nodes are virtual: they claim more cores than the machine has. It runs as any user; then that user's jobs run.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 60.0
STOP_SECONDS = 10.0
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_CONF = """ClusterName=portolan
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={home}/state
TmpFS={home}/tmp/%n
SlurmdSpoolDir={home}/spool/%n
SlurmctldPidFile={home}/run/slurmctld.pid
SlurmdPidFile={home}/run/slurmd.%n.pid
SlurmctldLogFile={home}/log/slurmctld.log
SlurmdLogFile={home}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=64
SchedulerParameters=batch_sched_delay=0,sched_min_interval=2000
SlurmdParameters=config_overrides
ReturnToService=2
EnforcePartLimits=ALL
MinJobAge={min_job_age}
KillWait=15
SlurmdTimeout=10
MaxArraySize=10001
MaxJobCount=20000
MailProg=/bin/true
JobCompType=jobcomp/none
GresTypes=gpu
"""
_ACCOUNTING = """AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd}
AccountingStoragePass={home}/munge/socket
AccountingStorageTRES=gres/gpu
"""
_DBD_CONF = """AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={dbd}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct_db
CommunicationParameters=NoInAddrAny
PidFile={home}/run/slurmdbd.pid
LogFile={home}/log/slurmdbd.log
"""


class NotStarted(Exception):
    """A daemon did not come up; the message names its log."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the cluster looks like: partitions ``cpu`` (the usual one) and, with ``gpu_nodes``, ``gpu``."""

    accounting: bool = False
    cpu_nodes: int = 2
    gpu_nodes: int = 1
    gpus: int = 2
    cpus: int = 8
    memory_mb: int = 4000
    min_job_age: int = 300


def missing_programs() -> list[str]:
    """The programs of Slurm that are not installed."""
    return [name for name in PROGRAMS if program(name) is None]


def program(name: str) -> str | None:
    """Where the program is; ``sbin`` is not in everybody's path."""
    return shutil.which(name, path=f"{os.environ.get('PATH') or os.defpath}:/usr/local/sbin:/usr/sbin:/sbin")


class Cluster:
    """A cluster in ``home``, which is emptied at each start. ``environment`` is what Slurm's commands need."""

    def __init__(self, home: Path, shape: Shape | None = None) -> None:
        self.home = home.resolve()
        self.shape = shape or Shape()
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._argv: dict[str, list[str]] = {}
        nodes = range(1, self.shape.cpu_nodes + 1), range(1, self.shape.gpu_nodes + 1)
        self.nodes = [f"c{number}" for number in nodes[0]] + [f"g{number}" for number in nodes[1]]
        ports = _free_ports(len(self.nodes) + 3)
        self._node_ports = dict(zip(self.nodes, ports[3:], strict=True))
        self._known: dict[str, Any] = {
            "home": str(self.home),
            "host": socket.gethostname().split(".")[0],
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "ctld": ports[0],
            "dbd": ports[1],
            "sql": ports[2],
            "password": secrets.token_hex(16),
            "min_job_age": self.shape.min_job_age,
        }
        self.environment = {"SLURM_CONF": str(self.home / "slurm.conf")}

    def start(self) -> None:
        """All nodes are idle and take jobs; NotStarted otherwise."""
        self._make_places()
        self._write_config()
        munge = self.home / "munge"
        key = munge / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = [f"--{what}-file={munge}/{what}" for what in ("key", "pid", "log", "seed")]
        self._daemon("munged", ["munged", "--foreground", "--force", f"--socket={munge}/socket", *files])
        self._await(lambda: (munge / "socket").exists(), "munged")
        if self.shape.accounting:
            self._start_accounting()
        self._daemon("slurmctld", ["slurmctld", "-D", "-f", str(self.home / "slurm.conf")])
        self._await(lambda: _answers(self._known["ctld"]), "slurmctld")
        for node in self.nodes:
            self._daemon(node, ["slurmd", "-D", "-N", node, "-f", str(self.home / "slurm.conf")])
        self._await(self._all_idle, "slurmd")

    def stop(self) -> None:
        """No daemon of the cluster is left, nor any job."""
        for name in reversed(list(self.daemons)):
            self.kill(name, signal.SIGTERM)
        for pid in _steps_below(self.home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """The daemon (``slurmctld``, ``slurmdbd``, a node's name) has ended."""
        process = self.daemons.pop(name, None)
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def revive(self, name: str) -> None:
        """The daemon that was killed runs again, with what it had saved."""
        self._daemon(name, self._argv[name])
        if name == "slurmctld":
            self._await(lambda: _answers(self._known["ctld"]), name)

    def command(self, *argv: str) -> str:
        """What the command of Slurm said on stdout."""
        ran = subprocess.run(argv, env=self._environment(), capture_output=True, text=True, timeout=60, check=True)
        return ran.stdout

    # --- parts

    def _start_accounting(self) -> None:
        data, log = self.home / "sql", self.home / "log" / "mariadb-install.log"
        as_user = ["--user=mysql"] if os.getuid() == 0 else []
        data.mkdir()
        if as_user:
            shutil.chown(data, "mysql", "mysql")
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}/data", "--skip-test-db", *as_user]
        with log.open("wb") as stream:
            subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, timeout=120,
                           stdout=stream, stderr=stream)  # fmt: skip
        self._daemon("mariadbd", [
            "mariadbd", "--no-defaults", f"--datadir={data}/data", f"--socket={data}/socket", f"--pid-file={data}/pid",
            f"--port={self._known['sql']}", "--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
            "--innodb-lock-wait-timeout=900", *as_user,
        ])  # fmt: skip
        self._await(self._database_ready, "mariadbd")
        conf = self.home / "slurmdbd.conf"
        conf.touch(mode=0o600)
        conf.write_text(_DBD_CONF.format(**self._known))
        self._daemon("slurmdbd", ["slurmdbd", "-D"])
        self._await(lambda: _answers(self._known["dbd"]), "slurmdbd")

    def _database_ready(self) -> bool:
        words = f"create user if not exists slurm@'127.0.0.1' identified by '{self._known['password']}'; "
        words += "grant all on slurm_acct_db.* to slurm@'127.0.0.1'"
        argv = ["mariadb", "--no-defaults", "-uroot", f"-S{self.home}/sql/socket"]
        ran = subprocess.run(argv, input=words.encode(), capture_output=True, timeout=60, check=False)
        return ran.returncode == 0

    def _make_places(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        for name in ("munge", "log", "run", "state", "spool", "fake"):
            (self.home / name).mkdir(mode=0o755, parents=True)
        for node in self.nodes:
            (self.home / "tmp" / node).mkdir(parents=True)
            (self.home / "tmp" / node).chmod(0o1777)

    def _write_config(self) -> None:
        shape, known = self.shape, self._known
        lines = [_CONF.format(**known)]
        lines.append(
            _ACCOUNTING.format(**known) if shape.accounting else "AccountingStorageType=accounting_storage/none\n"
        )
        cpu, gpu = self.nodes[: shape.cpu_nodes], self.nodes[shape.cpu_nodes :]
        for node in self.nodes:
            gres = f" Gres=gpu:{shape.gpus}" if node in gpu else ""
            lines.append(
                f"NodeName={node} NodeHostname={known['host']} NodeAddr=127.0.0.1 Port={self._node_ports[node]} "
                f"CPUs={shape.cpus} RealMemory={shape.memory_mb}{gres}\n"
            )
        lines.append(f"PartitionName=cpu Nodes={','.join(cpu)} Default=YES DefaultTime=10 MaxTime=INFINITE\n")
        if gpu:
            lines.append(f"PartitionName=gpu Nodes={','.join(gpu)} MaxTime=60\n")
            file = self._fake_gpus()
            (self.home / "gres.conf").write_text("".join(f"NodeName={one} Name=gpu File={file}\n" for one in gpu))
        (self.home / "slurm.conf").write_text("".join(lines))
        (self.home / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")

    def _fake_gpus(self) -> str:
        """Slurm wants character devices: root makes some, others borrow consoles."""
        if os.getuid() != 0:
            return f"/dev/tty[1-{self.shape.gpus}]"
        for number in range(self.shape.gpus):
            os.mknod(self.home / "fake" / f"gpu{number}", 0o020666, os.makedev(1, 3))
        return f"{self.home}/fake/gpu[0-{self.shape.gpus - 1}]"

    def _daemon(self, name: str, argv: list[str]) -> None:
        found = program(argv[0])
        if found is None:
            raise NotStarted(f"{argv[0]} is not installed.")
        self._argv[name] = argv
        with (self.home / "log" / f"{name}.out").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                [found, *argv[1:]], cwd=self.home, env=self._environment(), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        path = f"{os.environ.get('PATH') or os.defpath}:/usr/local/sbin:/usr/sbin:/sbin"
        home = os.environ.get("HOME", "/")
        return {"PATH": path, "HOME": home, "LANG": "C.UTF-8", **self.environment}

    def _all_idle(self) -> bool:
        ran = subprocess.run(["sinfo", "-h", "-N", "-o", "%N %T"], env=self._environment(), capture_output=True,
                             text=True, timeout=60, check=False)  # fmt: skip
        return ran.returncode == 0 and {line.split()[0] for line in ran.stdout.splitlines() if "idle" in line} == set(
            self.nodes
        )

    def _await(self, true: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not true():
            if time.monotonic() > deadline:
                raise NotStarted(f"{name} did not start; see {self.home}/log.")
            time.sleep(0.02)  # its daemons tell nobody when they answer


@contextlib.contextmanager
def running(home: Path, shape: Shape | None = None) -> Iterator[Cluster]:
    """A cluster that is up inside the block, and of which nothing is left after it."""
    cluster = Cluster(home, shape)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _steps_below(home: Path) -> list[int]:
    """The job steps that hold a file below ``home`` open, with all their descendants: they outlive their slurmd."""
    children: dict[int, list[int]] = {}
    steps = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
            is_step = Path(os.readlink(entry / "exe")).name.startswith("slurmstepd")
            if is_step and any(os.readlink(one).startswith(f"{home}/") for one in (entry / "fd").iterdir()):
                steps.append(int(entry.name))
    found: list[int] = []
    while steps:
        found.append(steps.pop())
        steps += children.get(found[-1], [])
    return found
