"""A private Grid Engine. It binds all addresses and insists on host names, so it gets namespaces: root only."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.backends.runner import SECONDS, Here, Ran
from tests.jobs.backends.processes import end_below

PROGRAMS, SHARE, HOST, ADDRESS = Path("/usr/lib/gridengine"), Path("/usr/share/gridengine"), "ge1", "10.99.8.1"
BOOTSTRAP = """admin_user none
default_domain none
ignore_fqdn true
spooling_method classic
spooling_lib libspoolc
spooling_params {home}/lab/common;{home}/spool/qmaster
binary_path {home}/bin
qmaster_spool_dir {home}/spool/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
EXEC_HOST = """hostname {host}
load_scaling NONE
complex_values NONE
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
"""
PARALLEL = """pe_name mpi
slots 64
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $fill_up
control_slaves TRUE
job_is_first_task FALSE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""


class InNamespace(Here):
    """Commands in the namespaces of another process."""

    def __init__(self, pid: int, environment: dict[str, str]) -> None:
        super().__init__(environment)
        self.pid = pid

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = SECONDS) -> Ran:
        inside = ["nsenter", "-t", str(self.pid), "--net", "--uts", "--mount", "--wd=/", *argv]
        return super().run(inside, stdin=stdin, seconds=seconds)


@dataclass
class Cell:
    """A cell with one queue ``cpu.q`` of 16 slots and the parallel environment ``mpi``."""

    home: Path
    holder: subprocess.Popen

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SGE_ROOT": str(self.home), "SGE_CELL": "lab", "SGE_QMASTER_PORT": "6444", "SGE_EXECD_PORT": "6445",
            "SGE_ARCH": "lx-amd64", "SGE_CLUSTER_NAME": "lab", "LD_LIBRARY_PATH": str(PROGRAMS),
            "PATH": f"{PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin",
        }  # fmt: skip

    @property
    def runner(self) -> InNamespace:
        return InNamespace(self.holder.pid, self.environment)

    def start(self) -> None:
        """Jobs run."""
        self._await_namespaces()
        self._make_places()
        run = self.runner.checked
        run(["sh", "-c", f"ip link set lo up; ip addr add {ADDRESS}/32 dev lo; hostname {HOST}"
                         f" && mount --bind {self.home}/hosts /etc/hosts"])  # fmt: skip
        spool = f"{self.home}/lab/common;{self.home}/spool/qmaster"
        run(["spoolinit", "classic", "libspoolc", spool, "init"])
        run(["spooldefaults", "configuration", str(self.home / "conf")])
        for what, name in (("complexes", "centry"), ("usersets", "usersets")):
            run(["spooldefaults", what, f"{SHARE}/util/resources/{name}"])
        run(["spooldefaults", "managers", "root"])
        self.daemon("sge_qmaster")
        self._await(["qconf", "-sh"])
        self.runner.run(["qconf", "-ah", HOST])
        run(["qconf", "-as", HOST])
        self._add("-Ae", EXEC_HOST.format(host=HOST))
        self._change("-ssconf", "-Msconf", schedule_interval="0:0:1", flush_submit_sec="1", flush_finish_sec="1",
                     load_formula="slots", job_load_adjustments="NONE")  # fmt: skip
        self._add("-Ap", PARALLEL)
        self._change("-sq", "-Aq", qname="cpu.q", hostlist=HOST, slots="16", pe_list="mpi", load_thresholds="NONE",
                     shell="/bin/sh", shell_start_mode="unix_behavior", notify="00:00:05")  # fmt: skip
        self.daemon("sge_execd")
        self._await(["sh", "-c", f"qhost | grep -q '^{HOST}  *lx'"])

    def add_parallel_environment(self, name: str) -> None:
        """The queue has one more of this name, as the first one is."""
        self._add("-Ap", PARALLEL.replace("pe_name mpi", f"pe_name {name}"))
        self.runner.checked(["qconf", "-aattr", "queue", "pe_list", name, "cpu.q"])

    def daemon(self, name: str) -> None:
        """The daemon has put itself into the background."""
        self.runner.run(["sh", "-c", f"{name} > {self.home}/{name}.out 2>&1 < /dev/null"])

    def stop(self) -> None:
        """Nothing of the cell is left."""
        self.runner.run(["qconf", "-ke", "all"])
        self.runner.run(["qconf", "-km"])
        end_below(self.home)
        self.holder.kill()
        self.holder.wait(10)

    def _await_namespaces(self) -> None:
        """The holder has namespaces of its own: before that, what is meant for them would change the machine itself."""
        deadline = time.monotonic() + 60
        while Path(f"/proc/{self.holder.pid}/comm").read_text() != "sleep\n":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _make_places(self) -> None:
        for name in ("bin", "lib", "utilbin", "lab/common", "spool/qmaster/job_scripts", "spool/execd"):
            (self.home / name).mkdir(parents=True)
        for name in ("bin", "lib", "utilbin"):
            (self.home / name / "lx-amd64").symlink_to(PROGRAMS)
        (self.home / "util").symlink_to(SHARE / "util")
        (self.home / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
        common = self.home / "lab" / "common"
        (common / "bootstrap").write_text(BOOTSTRAP.format(home=self.home))
        (common / "act_qmaster").write_text(f"{HOST}\n")
        (common / "cluster_name").write_text("lab\n")
        changed = {"min_uid": "0", "min_gid": "0", "load_report_time": "00:00:02", "max_unheard": "00:00:20",
                   "gid_range": "65400-65500", "mailer": "/bin/true"}  # fmt: skip
        text = _with((SHARE / "default-configuration").read_text(), changed)
        text = text.replace("/var/spool/gridengine/execd", f"{self.home}/spool/execd")
        (self.home / "conf").write_text(
            text.replace("flush_time=00:00:15", "flush_time=00:00:00 accounting_flush_time=00:00:00")
        )

    def _add(self, option: str, text: str) -> None:
        file = self.home / "added"
        file.write_text(text)
        self.runner.checked(["qconf", option, str(file)])

    def _change(self, show: str, option: str, **values: str) -> None:
        self._add(option, _with(self.runner.checked(["qconf", show]), values))

    def _await(self, argv: list[str]) -> None:
        deadline = time.monotonic() + 60
        while self.runner.run(argv).status != 0:
            assert time.monotonic() < deadline, argv
            time.sleep(0.05)


def _with(text: str, values: dict[str, str]) -> str:
    lines = [line for line in text.splitlines() if line.split(None, 1)[:1] and line.split()[0] not in values]
    return "\n".join([*lines, *(f"{name} {value}" for name, value in values.items())]) + "\n"


@contextmanager
def cell_running(home: Path) -> Iterator[Cell]:
    """A cell that is up inside the block."""
    home.mkdir(parents=True)
    holder = subprocess.Popen(["unshare", "--net", "--uts", "--mount", "--propagation", "slave", "sleep", "infinity"])
    cell = Cell(home=home, holder=holder)
    try:
        cell.start()
        yield cell
    finally:
        cell.stop()
