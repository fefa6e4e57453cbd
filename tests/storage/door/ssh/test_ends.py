"""A key is worth what its link is worth, at the login and as long as something moves."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.live import wait_until
from tests.storage.door.links.conftest import Site

pytestmark = pytest.mark.slow
HERE = "link@127.0.0.1:"


def test_revoked_in_mid_transfer(client, data):
    (client.home / "big.mrc").write_bytes(data * 4)
    argv = client.rsync_argv("-a", "--bwlimit=200k", "big.mrc", HERE)
    sender = subprocess.Popen(argv, cwd=client.home, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: list(client.root.glob(".big.mrc.*")), what="the transfer's begin")
    client.link.revoke()
    _, said = sender.communicate(timeout=50)  # what is left would take a minute
    assert sender.returncode != 0
    assert "revoked" in said
    assert not (client.root / "big.mrc").exists()
    assert client.link.log(lambda rows: rows)[-1][3] == "link_revoked"
    assert client.sftp("ls").returncode != 0
    assert "revoked" in client.why()


def test_ended(client):
    client.link.door.do("end_link", link=client.link.id)
    assert client.sftp("ls").returncode != 0
    assert "has ended" in client.why()


def test_certificate_says_one_link_and_ends_with_it(keyed, site):
    client = keyed(site.link(seconds=60))
    told = client.run("ssh-keygen", "-L", "-f", "link-key-cert.pub").stdout
    assert f"force-command /door/open-link {client.link.id}" in told
    assert "Extensions: (none)" in told
    begun, ended = (time.mktime(time.strptime(word, "%Y-%m-%dT%H:%M:%S")) for word in told.split() if word[:2] == "20")
    assert 0 < ended - begun <= 60 + 5 * 60


def test_issuer_who_lost_the_role(client, data):
    (client.root / "movie.mrc").write_bytes(data)
    door, project = client.link.door, client.link.project
    (client.home / "x").write_text("x")
    door.do("role", project=project, user="contributor", role="viewer")
    assert client.sftp("get movie.mrc").returncode == 0
    assert client.sftp("put x").returncode != 0
    door.do("role", project=project, user="contributor", role="")
    wait_until(lambda: client.sftp("get movie.mrc").returncode != 0, what="the end of the right")
    assert "allow" in client.rsync("-a", HERE, "fetched/").stderr


def test_key_opens_its_own_link_only(client, keyed, site, data):
    other = keyed(site.link("other", rights=["list", "read", "write-new"]))
    (client.root / "movie.mrc").write_bytes(data)
    done = other.sftp("ls")
    assert done.returncode == 0, done.stderr
    assert "movie.mrc" not in done.stdout
    other.end()
    # The certificate of one link with the key of another, and a certificate that somebody else has signed.
    (other.home / "link-key-cert.pub").write_text(client.key["certificate"])
    assert "Permission denied" in other.sftp("ls").stderr
    client.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "ca")
    (client.home / "link-key.pub").write_text(client.run("ssh-keygen", "-y", "-f", "link-key").stdout)
    client.run("ssh-keygen", "-q", "-s", "ca", "-I", "x", "-n", "link", "-O", "force-command=sh", "link-key.pub")
    assert "Permission denied" in client.sftp("ls").stderr


def test_other_networks(keyed, site):
    far = keyed(site.link(rights=["list", "read"], networks=["192.0.2.0/24"]))
    assert "Permission denied" in far.sftp("ls").stderr
    near = keyed(site.link(rights=["list", "read"], networks=["127.0.0.0/8", "2001:db8::/32"]))
    assert near.sftp("ls").returncode == 0


def test_uses_are_counted(keyed, site):
    client = keyed(site.link(rights=["list", "read"], max_uses=1))
    assert client.sftp("ls").returncode == 0
    assert client.sftp("ls").returncode != 0
    assert "as often as it may" in client.why()


@pytest.mark.parametrize("tool", ["rsync", "sftp"])
def test_bytes_of_the_link_are_kept_to(keyed, site, data, tool):
    client = keyed(site.link(rights=["list", "read", "write-new"], max_bytes=len(data)))
    (client.home / "big.mrc").write_bytes(data * 2)
    done = client.rsync("-a", "big.mrc", HERE) if tool == "rsync" else client.sftp("put big.mrc")
    assert done.returncode != 0
    assert sum(path.stat().st_size for path in client.root.rglob("*") if path.is_file()) <= len(data)


@pytest.mark.parametrize("quota", [0, 1024**2])
def test_quota_is_told_before_and_kept_to(keyed, ssh_process, data, quota):
    made = ssh_process.do("project", quota=quota)
    site = Site(door=ssh_process, project=made["id"], root=Path(made["root"]))
    (site.root / "raw").mkdir()
    client = keyed(site.link())
    (client.home / "big.mrc").write_bytes(data)
    done = client.rsync("-a", "big.mrc", HERE)
    assert done.returncode != 0
    assert not (client.root / "big.mrc").exists()
    if quota == 0:
        assert "left of its" in done.stderr
