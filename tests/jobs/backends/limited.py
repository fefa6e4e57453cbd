"""A Slurm that holds jobs to their memory by control groups, as clusters do. It needs root and cgroup version 1."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

from gateway.running.slurm import Cluster, Shape

GROUPS = Path("/sys/fs/cgroup")
NEEDED = ("memory", "freezer")
_CGROUP_CONF = """CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainCores=no
ConstrainDevices=no
ConstrainSwapSpace=no
AllowedSwapSpace=0
"""


def why_not() -> str:
    """Why no such cluster can be started here; empty when one can."""
    probe = f"portolan-{uuid.uuid4().hex}"
    for name in NEEDED:
        try:
            (GROUPS / name / probe).mkdir()
            (GROUPS / name / probe).rmdir()
        except OSError as problem:
            return f"no control groups of version 1 for {name}: {problem}"
    return "" if os.getuid() == 0 else "only root may limit memory"


class Limited(Cluster):
    """As ``Cluster``; a job that takes more memory than it asked for is killed by the kernel."""

    def __init__(self, home: Path, shape: Shape) -> None:
        super().__init__(home, shape)
        # The groups are named after the nodes, for the whole machine.
        ports = {name: self._node_ports[name] for name in self.nodes}
        mark = uuid.uuid4().hex[:6]
        self.nodes = [f"{mark}{name}" for name in self.nodes]
        self._node_ports = dict(zip(self.nodes, ports.values(), strict=True))

    def _write_config(self) -> None:
        super()._write_config()
        conf = self.home / "slurm.conf"
        text = conf.read_text().replace("proctrack/linuxproc", "proctrack/cgroup").replace("task/none", "task/cgroup")
        conf.write_text(text)
        (self.home / "cgroup.conf").write_text(_CGROUP_CONF)

    def stop(self) -> None:
        """Nothing of the cluster is left, nor of its groups."""
        super().stop()
        for node in self.nodes:
            for top in GROUPS.glob(f"*/slurm_{node}"):
                for group, _, _ in os.walk(top, topdown=False):
                    with suppress(OSError):
                        os.rmdir(group)
