"""What a site's settings may say, and how a wrong one is told."""

import pytest

from common.errors import UserError
from jobs.backends.base import SiteUnavailable
from jobs.backends.gridengine import GridEngineBackend
from jobs.backends.kubernetes import KubernetesBackend
from jobs.backends.pbs import PbsBackend
from jobs.backends.slurm import SlurmBackend
from jobs.backends.ssh import Ssh
from jobs.lifecycle.site_settings import checked_settings
from jobs.lifecycle.sites import backend_of, runner_of
from jobs.models import ComputeSite

SSH = {"host": "h", "user": "u", "key_file": "/k", "known_hosts_file": "/h"}
POD = {"kubeconfig": "/k", "image": "i:1"}


@pytest.mark.parametrize(
    ("scheduler", "told", "words"),
    [
        ("slurm", {"partition": 3}, "“partition” must be text"),
        ("slurm", {"partiton": "cpu"}, "“partiton” is not known"),
        ("gridengine", {"memory_resource": True}, "“memory_resource” must be text"),
        ("slurm", {"options": ["x"]}, "no option"),
        ("slurm", {"runner": "telnet"}, "“here” or “ssh”"),
        ("slurm", {"runner": "ssh"}, "“ssh” must be an object"),
        ("slurm", {"runner": "ssh", "ssh": {**SSH, "host": ""}}, "“ssh.host” is missing"),
        ("slurm", {"runner": "ssh", "ssh": {**SSH, "password": "x"}}, "“ssh.password” is not known"),
        ("slurm", {"runner": "ssh", "ssh": {**SSH, "key_file": "-----BEGIN OPENSSH"}}, "not the key"),
        ("slurm", {"environment": {"A B": "x"}}, "no variable's"),
        ("pbs", {"torque": "yes"}, "true or false"),
        ("kubernetes", {}, "“kubeconfig” is missing"),
        ("kubernetes", {**POD, "volumes": [{"path": "data"}]}, "absolute path"),
        ("kubernetes", {**POD, "volumes": [{"path": "/d", "nfs": "x"}]}, "“volumes.nfs” is not known"),
    ],
)
def test_a_wrong_setting_is_named(scheduler, told, words):
    with pytest.raises(UserError, match=words):
        checked_settings(scheduler, told)
    site = ComputeSite(name="s", scheduler=scheduler, cores=1, memory_mb=100, settings=told)
    with pytest.raises(SiteUnavailable, match=words):
        backend_of(site)


@pytest.mark.parametrize(
    ("scheduler", "told", "kind"),
    [
        ("slurm", {"partition": "cpu", "options": ["--constraint=avx2"]}, SlurmBackend),
        ("gridengine", {"parallel_environment": "smp"}, GridEngineBackend),
        ("pbs", {"torque": True}, PbsBackend),
        ("kubernetes", {**POD, "volumes": [{"path": "/d", "claim": "c"}], "user": 5}, KubernetesBackend),
    ],
)
def test_a_row_becomes_its_scheduler_here_and_over_ssh(scheduler, told, kind):
    site = ComputeSite(name="s", scheduler=scheduler, cores=1, memory_mb=100, settings=told)
    assert isinstance(backend_of(site), kind)
    site.settings = {**told, "runner": "ssh", "ssh": SSH}
    assert isinstance(backend_of(site), kind)
    assert isinstance(runner_of(site), Ssh)
