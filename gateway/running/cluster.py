"""The private Slurm of ``make demo SLURM=1`` and the row of its site."""

import os
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from common.errors import Unavailable
from gateway.running.slurm import Cluster, NotStarted, Shape, missing_programs
from jobs.models import ComputeSite

SITE = "slurm"
MEMORY_MB = 8000


class DemoCluster:
    """Two virtual nodes below the home, and the site ``slurm`` while they are up."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.cluster: Cluster | None = None

    def start(self) -> None:
        """The cluster takes jobs and the site's row names it; Unavailable says what is missing."""
        missing = missing_programs()
        if missing:
            raise Unavailable(f"Slurm is not installed here: {', '.join(missing)}.", code="no_slurm")
        self.say("Starting a private Slurm with two virtual nodes")
        cores = os.cpu_count() or 1
        home: Path = settings.PORTOLAN_HOME / "slurm"
        self.cluster = Cluster(home, Shape(cpu_nodes=2, gpu_nodes=0, cpus=cores, memory_mb=MEMORY_MB))
        try:
            self.cluster.start()
        except NotStarted as problem:
            self.stop()
            raise Unavailable(str(problem), code="no_slurm") from problem
        ComputeSite.objects.update_or_create(
            name=SITE,
            defaults={
                "scheduler": "slurm",
                "cores": cores,
                "memory_mb": MEMORY_MB,
                "enabled": True,
                "settings": {"environment": self.cluster.environment},
            },
        )

    def stop(self) -> None:
        """Nothing of the cluster is left, and its site takes no jobs."""
        if self.cluster is not None:
            self.cluster.stop()
            self.cluster = None
            ComputeSite.objects.filter(name=SITE).update(enabled=False)
