"""A real one-node Kubernetes: API server, controllers, scheduler and kubelet as ``deploy/build-kubernetes`` makes them.

Everything is on loopback and below one directory; the node runs in a mount namespace of its own. Root only. Pods get
the machine's own ``/usr`` as a volume, so the image is nearly empty and nothing is pulled.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import httpx

from tests.jobs.backends.processes import end_below

IMAGE, PAUSE = "localhost/job:1", "localhost/pause:1"
CONTROLLERS = "job,garbagecollector,namespace,ttl-after-finished,podgc,nodelifecycle"
KUBECONFIG = """apiVersion: v1
kind: Config
clusters: [{{name: real, cluster: {{server: "https://127.0.0.1:{port}", insecure-skip-tls-verify: true}}}}]
users: [{{name: admin, user: {{token: secret}}}}]
contexts: [{{name: real, context: {{cluster: real, user: admin, namespace: default}}}}]
current-context: real
"""
CONTAINERD = """version = 2
root = "{home}/ctr/root"
state = "{home}/ctr/state"
[grpc]
  address = "{home}/ctr/socket"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "localhost/pause:1"
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{home}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""
KUBELET = """apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: {kubelet}
readOnlyPort: 0
healthzPort: 0
cgroupDriver: cgroupfs
cgroupsPerQOS: true
enforceNodeAllocatable: []
failSwapOn: false
makeIPTablesUtilChains: false
authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}
authorization: {{mode: AlwaysAllow}}
resolvConf: ""
clusterDNS: []
oomScoreAdj: -0
nodeStatusUpdateFrequency: 5s
evictionHard: {{memory.available: "50Mi"}}
"""
NODE = """set -e
mkdir -p /var/log/pods /var/log/containers
mount --bind {home}/pods /var/log/pods
mount --bind {home}/containers /var/log/containers
umount /sys/fs/cgroup/unified 2>/dev/null || true
containerd -c {home}/containerd.toml > {home}/log/containerd 2>&1 &
until [ -S {home}/ctr/socket ]; do sleep 0.05; done
for image in {home}/job.tar {home}/pause.tar; do ctr -a {home}/ctr/socket -n k8s.io images import $image; done
exec {bin}/kubelet --config={home}/kubelet.yaml --kubeconfig={home}/kubeconfig --root-dir={home}/kubelet \
  --container-runtime=remote --container-runtime-endpoint=unix://{home}/ctr/socket --hostname-override={host} \
  --cert-dir={home}/pki --cni-conf-dir={home}/cni --network-plugin=cni
"""


class RealCluster:
    """``start()`` and ``stop()``; ``kubeconfig`` is the file to use it with."""

    def __init__(self, home: Path, programs: Path) -> None:
        self.home, self.bin = home, programs.resolve()
        self.kubeconfig = home / "kubeconfig"
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(6)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            self.ports = [one.getsockname()[1] for one in sockets]
        self.daemons: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """The node is ready."""
        client, peer, port, kubelet, manager, scheduler = self.ports
        for name in ("etcd", "pki", "log", "ctr", "cni", "pods", "containers", "kubelet"):
            (self.home / name).mkdir(parents=True)
        subprocess.run(["openssl", "genrsa", "-out", f"{self.home}/sa.key", "2048"], check=True, capture_output=True)
        (self.home / "tokens").write_text('secret,admin,1,"system:masters"\n')
        self.kubeconfig.write_text(KUBECONFIG.format(port=port))
        here = "http://127.0.0.1"
        self._daemon("etcd", ["etcd", f"--data-dir={self.home}/etcd", f"--listen-client-urls={here}:{client}",
            f"--advertise-client-urls={here}:{client}", f"--listen-peer-urls={here}:{peer}", "--unsafe-no-fsync",
            f"--initial-advertise-peer-urls={here}:{peer}", f"--initial-cluster=default={here}:{peer}"])  # fmt: skip
        self._daemon("api", [f"{self.bin}/kube-apiserver", f"--etcd-servers={here}:{client}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={port}", "--insecure-port=0",
            f"--cert-dir={self.home}/pki", f"--token-auth-file={self.home}/tokens", "--authorization-mode=AlwaysAllow",
            "--service-cluster-ip-range=10.250.0.0/24", f"--service-account-key-file={self.home}/sa.key",
            f"--service-account-signing-key-file={self.home}/sa.key", "--service-account-issuer=https://lab",
            "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"])  # fmt: skip
        self._await(lambda: self.ask("/readyz") == "ok", "the API server")
        common = [f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--bind-address=127.0.0.1", "--port=0",
                  f"--cert-dir={self.home}/pki"]  # fmt: skip
        self._daemon("manager", [f"{self.bin}/kube-controller-manager", *common, f"--secure-port={manager}",
            f"--controllers={CONTROLLERS}", f"--service-account-private-key-file={self.home}/sa.key"])  # fmt: skip
        self._daemon("scheduler", [f"{self.bin}/kube-scheduler", *common, f"--secure-port={scheduler}"])
        self._start_node(kubelet)
        self._await(self._node_ready, "the node")

    def _start_node(self, port: int) -> None:
        known = {"home": self.home, "bin": self.bin, "kubelet": port, "host": socket.gethostname()}
        (self.home / "containerd.toml").write_text(CONTAINERD.format(**known))
        (self.home / "kubelet.yaml").write_text(KUBELET.format(**known))
        network = {"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.251.0.0/24",
                                           "dataDir": f"{self.home}/ipam"}}  # fmt: skip
        whole = {"cniVersion": "0.4.0", "name": "ptp", "plugins": [network]}
        (self.home / "cni" / "10-ptp.conflist").write_text(json.dumps(whole))
        links = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
        write_image(self.home / "job.tar", IMAGE, links=links, folders=["usr", "tmp", "proc", "dev", "etc"])
        pause = shutil.which("catatonit") or "/usr/bin/catatonit"
        write_image(self.home / "pause.tar", PAUSE, program=Path(pause), argv=["/pause", "-P"])
        self._daemon("node", ["unshare", "--mount", "--propagation", "slave", "sh", "-c", NODE.format(**known)])

    def stop(self) -> None:
        """Nothing of the cluster is left; the API server ends before etcd, or it would wait for it."""
        with suppress(httpx.HTTPError):
            for kind in ("/apis/batch/v1/namespaces/default/jobs", "/api/v1/namespaces/default/pods"):
                self._request("DELETE", f"{kind}?gracePeriodSeconds=0&propagationPolicy=Background")
            self._await(lambda: '"items":[]' in self.ask("/api/v1/namespaces/default/pods"), "the end of the pods")
        for name in ("node", "scheduler", "manager", "api", "etcd"):
            process = self.daemons.get(name)
            if process is not None:
                process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(15)
        end_below(self.home)
        _remove_cgroups()

    def ask(self, path: str) -> str:
        """The text of a GET; empty when there is no answer."""
        with suppress(httpx.HTTPError):
            return self._request("GET", path)
        return ""

    def _request(self, method: str, path: str) -> str:
        url, headers = f"https://127.0.0.1:{self.ports[2]}{path}", {"Authorization": "Bearer secret"}
        return httpx.request(method, url, headers=headers, verify=False, timeout=10).text

    def _node_ready(self) -> bool:
        text = self.ask(f"/api/v1/nodes/{socket.gethostname()}")
        with suppress(ValueError):
            found = json.loads(text)
            conditions = found["status"].get("conditions", []) if found.get("kind") == "Node" else []
            return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        return False

    def _daemon(self, name: str, argv: list[str]) -> None:
        with (self.home / "log" / name).open("ab") as log:
            self.daemons[name] = subprocess.Popen(argv, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                  start_new_session=True)  # fmt: skip

    def _await(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 180
        while not true():
            assert time.monotonic() < deadline, f"{what} is not there; see {self.home}/log"
            time.sleep(0.1)


def write_image(file: Path, name: str, *, links: dict[str, str] | None = None, folders: list[str] | None = None,
                program: Path | None = None, argv: list[str] | None = None) -> None:  # fmt: skip
    """``file`` is an image of one layer, as ``docker save`` writes it."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder in folders or []:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for link, target in (links or {}).items():
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
        if program is not None:
            tar.add(program, "pause")
    digest = sha256(layer.getvalue()).hexdigest()
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
              "config": {"Env": ["PATH=/usr/bin:/bin"], "Entrypoint": argv or []}}  # fmt: skip
    index = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(file, "w") as tar:
        for path, content in (("config.json", json.dumps(config).encode()), ("layer.tar", layer.getvalue()),
                              ("manifest.json", json.dumps(index).encode())):  # fmt: skip
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _remove_cgroups() -> None:
    for top in Path("/sys/fs/cgroup").glob("*/kubepods"):
        for folder in sorted((one for one in top.rglob("*") if one.is_dir()), key=lambda one: -len(one.parts)):
            with suppress(OSError):
                folder.rmdir()
        with suppress(OSError):
            top.rmdir()


@contextmanager
def real_cluster(home: Path, programs: Path) -> Iterator[RealCluster]:
    """A cluster that is up inside the block."""
    assert os.getuid() == 0, "the node needs root"
    cluster = RealCluster(home, programs)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
