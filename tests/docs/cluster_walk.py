"""Goes through “Add a cluster” of docs/operators.md as it is printed: ``python -m tests.docs.cluster_walk PLACE``.

It is run as root in mount and network namespaces of its own, where /etc and /srv are copies below PLACE. So
``login.example.org`` is a real sshd on port 22 with an account ``portolan``, which has a password until the printed
commands gave it a key; behind it is a real Slurm. The API server of Kubernetes is the stand-in. Ends with 0 when all
of it held.
"""

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import django
import pytest

django.setup()

from gateway.running.slurm import Cluster, Shape, program, running  # noqa: E402
from jobs.backends.base import Backend, JobSpec, Phase, SiteUnavailable  # noqa: E402
from jobs.lifecycle.sites import backend_of  # noqa: E402
from jobs.models import ComputeSite  # noqa: E402
from tests.docs.operators_page import commands_under, paragraphs, settings_under  # noqa: E402
from tests.jobs.backends.kubernetes_stand_in import stand_in_running  # noqa: E402

NAME, NUMBER, WORD = "portolan", 5001, "correct horse"
SSHD_CONF = """Port 22
ListenAddress 127.0.0.1
HostKey {place}/host_key
PidFile none
UsePAM no
PasswordAuthentication yes
PermitRootLogin no
"""
ASKPASS = f"""#!/bin/sh
case "$1" in *yes/no*) echo yes;; *) echo '{WORD}';; esac
"""


def run(*argv: str | Path, given: str = "", **more: str) -> str:
    """What the command said; it has ended well."""
    done = subprocess.run(
        list(map(str, argv)),
        input=given,
        env=os.environ | more,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


def own_machine(place: Path) -> None:
    """/etc and /srv are this program's alone, and have the account and the host's name."""
    for name, mode in (("root/.ssh", 0o700), ("home", 0o700), ("work", 0o755), ("srv/portolan", 0o755)):
        (place / name).mkdir(mode=mode, parents=True)
    for name in ("home", "work", "srv/portolan"):
        os.chown(place / name, NUMBER, NUMBER)
    run("cp", "-a", "/etc", place / "etc")
    run("mount", "--bind", place / "etc", "/etc")
    run("mount", "--bind", place / "srv", "/srv")
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", "10.99.7.1/32", "dev", "lo")  # Slurm looks up no name on a machine with 127.0.0.1 alone
    passwd = re.sub(r"^root:.*$", f"root:x:0:0:root:{place}/root:/bin/sh", Path("/etc/passwd").read_text(), flags=re.M)
    Path("/etc/passwd").write_text(f"{passwd}{NAME}:x:{NUMBER}:{NUMBER}::{place}/home:/bin/sh\n")
    digest = run("openssl", "passwd", "-6", "-stdin", given=WORD).strip()
    for name, line in (
        ("group", f"{NAME}:x:{NUMBER}:"),
        ("shadow", f"{NAME}:{digest}:20000:0:99999:7:::"),
        ("hosts", "127.0.0.1 login.example.org"),
    ):
        with Path("/etc", name).open("a") as file:
            file.write(f"{line}\n")
    Path("/etc/portolan").mkdir()


@contextmanager
def login_node(place: Path):
    """The sshd answers."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / "host_key")
    (place / "sshd_config").write_text(SSHD_CONF.format(place=place))
    Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen([program("sshd") or "sshd", "-D", "-f", str(place / "sshd_config")]) as server:
        try:
            until(answers, "the sshd")
            yield
        finally:
            server.terminate()


def answers() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", 22), 1) as line:
            return line.recv(4) == b"SSH-"
    except OSError:
        return False


def until(true, what: str) -> None:
    deadline = time.monotonic() + 180
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def over_ssh(place: Path) -> None:
    """The printed commands make the key, bring it there and pin the host's."""
    (place / "askpass").write_text(ASKPASS)
    (place / "askpass").chmod(0o755)
    (place / "commands").write_text(commands_under("Over SSH"))
    asked = {"SSH_ASKPASS": str(place / "askpass"), "SSH_ASKPASS_REQUIRE": "force", "HOME": f"{place}/root"}
    run("sh", "-e", place / "commands", **asked)
    host_key = (place / "host_key.pub").read_text().split()[:2]
    assert Path("/etc/portolan/cluster-hosts").read_text().split() == ["login.example.org", *host_key]


def site(scheduler: str, settings: dict) -> Backend:
    """The scheduler of a row with these settings."""
    return backend_of(ComputeSite(name=scheduler, scheduler=scheduler, cores=8, memory_mb=4000, settings=settings))


def spec(place: Path, name: str, *argv: str, **more) -> JobSpec:
    return JobSpec(name=f"portolan-{name}", argv=list(argv), cwd=place, control=place / f"{name}-control",
                   stdout=place / f"{name}.out", stderr=place / f"{name}.err", memory_mb=100,
                   environment={"PATH": "/usr/bin:/bin"}, **more)  # fmt: skip


def ended(backend: Backend, native_id: str) -> None:
    until(lambda: backend.poll([native_id])[native_id].phase is Phase.ENDED, native_id)


def slurm(place: Path, cluster: Cluster) -> None:
    """A job runs as the account, in the printed partition, charged to the printed account."""
    (ssh,), (printed,) = settings_under("Over SSH"), settings_under("Slurm")
    settings = ssh | printed | {"environment": cluster.environment}
    job = spec(place / "work", "slurm", "sh", "-c", 'echo "$(id -un) $SLURM_JOB_PARTITION $SLURM_JOB_ACCOUNT"')
    backend = site("slurm", settings)
    ended(backend, backend.submit(job))
    assert job.stdout.read_text() == f"{NAME} {printed['partition']} {printed['account']}\n"
    # The example of a further word reaches sbatch: no node here has that feature.
    with pytest.raises(SiteUnavailable, match="feature"):
        site("slurm", settings | {"options": ["--constraint=avx2"]}).submit(job)
    assert "EnforcePartLimits=ALL" in paragraphs("Slurm")
    assert "EnforcePartLimits=ALL" in (cluster.home / "slurm.conf").read_text()


def kubernetes(place: Path) -> None:
    """A pod runs with the printed image, user and volume, asked for with no other rights than are printed."""
    (printed,) = settings_under("Kubernetes")
    with stand_in_running(place / "k8s") as (state, kubeconfig):
        Path(printed["kubeconfig"]).write_text(kubeconfig.read_text())
        backend, folder = site("kubernetes", printed), Path(printed["volumes"][0]["path"])
        job = spec(folder, "pod", "echo", "ran", queue="large")
        assert backend.find(job.name) is None
        native_id = backend.submit(job)
        ended(backend, native_id)
        assert job.stdout.read_text() == "ran\n"
        pod = state.jobs[job.name]["spec"]["template"]["spec"]
        (container,), (volume,) = pod["containers"], pod["volumes"]
        assert container["image"] == printed["image"]
        assert container["volumeMounts"][0]["mountPath"] == str(folder)
        assert volume["persistentVolumeClaim"]["claimName"] == printed["volumes"][0]["claim"]
        assert pod["securityContext"] == {"runAsUser": printed["user"], "runAsGroup": printed["group"]}
        assert pod["nodeSelector"] == {"portolan/queue": "large"}
        backend.cancel(native_id)
        backend.forget(native_id)
        assert state.asked == {
            (verb, kind, printed["namespace"])
            for verb, kind in (("get", "jobs"), ("list", "jobs"), ("create", "jobs"), ("patch", "jobs"),
                               ("delete", "jobs"), ("list", "pods"))
        }  # fmt: skip


def main(place: Path) -> None:
    """All of it, in the order of the page."""
    own_machine(place)
    with login_node(place):
        over_ssh(place)
        with running(place / "slurm", Shape(gpu_nodes=0)) as cluster:
            slurm(place, cluster)
    kubernetes(place)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
