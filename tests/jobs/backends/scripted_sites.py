"""Each scripted cluster with the adapter that speaks with it."""

from jobs.backends.base import Backend
from jobs.backends.gridengine import GridEngineBackend
from jobs.backends.pbs import PbsBackend
from jobs.backends.slurm import SlurmBackend
from tests.jobs.backends.scripted import (
    LIMITS,
    GridEngineLike,
    PbsLike,
    Scripted,
    SlurmLike,
    SlurmWithoutAccounting,
)
from tests.jobs.backends.scripted_kubernetes import KubernetesLike, ScriptedKubernetes

KINDS = ("slurm", "slurm without accounting", "grid engine", "pbs", "kubernetes")


def scripted(kind: str) -> tuple[Scripted, Backend]:
    """A new cluster of the kind, and its adapter."""
    cluster: Scripted
    match kind:
        case "slurm":
            return (cluster := SlurmLike()), SlurmBackend(cluster)
        case "slurm without accounting":
            return (cluster := SlurmWithoutAccounting()), SlurmBackend(cluster)
        case "grid engine":
            return (cluster := GridEngineLike()), GridEngineBackend(cluster)
        case "kubernetes":
            return (cluster := KubernetesLike()), ScriptedKubernetes(cluster)
    return (cluster := PbsLike()), PbsBackend(cluster, LIMITS)
