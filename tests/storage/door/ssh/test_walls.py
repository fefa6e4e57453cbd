"""What a link does not open stays shut: kernel, rights and sshd, tried with OpenSSH's clients."""

import os
import socket
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HERE = "link@127.0.0.1:"


def refused(client, *lines: str) -> None:
    """Every one of the lines is refused to ``sftp``."""
    done = client.sftp(*(f"-{line}" for line in lines))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") >= len(lines), done.stderr


def test_link_for_reading_changes_nothing(keyed, site, data):
    (site.root / "raw" / "movie.mrc").write_bytes(data)
    client = keyed(site.link(rights=["list", "read"]))
    (client.home / "movie.mrc").write_bytes(b"other")
    done = client.rsync("-a", "movie.mrc", HERE)
    assert done.returncode != 0
    assert "does not allow to create" in done.stderr
    refused(client, "put movie.mrc", "put movie.mrc new", "rm movie.mrc", "rename movie.mrc x", "mkdir x",
            "chmod 0 movie.mrc", "ln movie.mrc x", "ln -s movie.mrc x")  # fmt: skip
    assert client.rsync("-a", "--remove-source-files", HERE, "fetched/").returncode != 0
    assert client.names() == ["movie.mrc"]
    assert (client.root / "movie.mrc").read_bytes() == data


def test_link_that_adds_replaces_nothing_and_shows_nothing(keyed, site, data):
    (site.root / "raw" / "movie.mrc").write_bytes(data)
    client = keyed(site.link(rights=["write-new"]))
    for name in ("movie.mrc", "new.mrc"):
        (client.home / name).write_bytes(b"mine")
    assert client.rsync("-a", "--ignore-times", "movie.mrc", "new.mrc", HERE).returncode == 0
    refused(client, "put movie.mrc", "put -a movie.mrc", "ls", "get movie.mrc back", "rm new.mrc", "chmod 0 new.mrc")
    assert client.sftp("put new.mrc newer.mrc").returncode == 0
    assert client.rsync("-a", HERE, "fetched/").returncode != 0
    assert client.rsync("-a", "--inplace", "movie.mrc", HERE).returncode != 0
    assert client.names() == ["movie.mrc", "new.mrc", "newer.mrc"]
    assert (client.root / "movie.mrc").read_bytes() == data
    assert (client.root / "new.mrc").read_bytes() == (client.root / "newer.mrc").read_bytes() == b"mine"


def test_nothing_is_deleted_by_ssh(client, data):
    (client.root / "movie.mrc").write_bytes(data)
    (client.home / "empty").mkdir()
    done = client.rsync("-a", "--delete", "empty/", HERE)
    assert done.returncode != 0
    assert "WebDAV" in done.stderr
    refused(client, "rm movie.mrc", "ln movie.mrc hard", "ln -s movie.mrc soft", "chmod 777 movie.mrc")
    assert client.names() == ["movie.mrc"]


@pytest.fixture
def planted(client, site):
    """A client in whose folder links lead out, with secrets beside it."""
    (site.root / "secret.txt").write_text("SECRET")
    (site.root / ".portolan").mkdir(exist_ok=True)
    (site.root / ".portolan" / "hidden.txt").write_text("SECRET")
    for name, target in (
        ("etc", "/etc"), ("host", "/etc/hostname"), ("up", ".."), ("beside", "../secret.txt"),
        ("far", str(site.root / "secret.txt")), ("proc", "/proc/1/root"),
    ):  # fmt: skip
        (client.root / name).symlink_to(target)
    return client


def test_links_and_paths_lead_nowhere(planted, site):
    client, secret = planted, str(site.root / "secret.txt")
    paths = ["beside", "far", "up/secret.txt", "host", "../secret.txt", secret, "/etc/hostname", "proc/etc/hostname",
             "/data/../../secret.txt", "/.portolan/hidden.txt", "/proc/1/environ"]  # fmt: skip
    refused(client, *(f"get {path} stolen" for path in paths))
    for found in (["beside", "far", "up/secret.txt", "host", "etc/hostname"], ["../secret.txt"], [secret]):
        client.rsync("-a", "--copy-unsafe-links", *(f"{HERE}{path}" for path in found), "stolen/")
    assert client.rsync("-aL", HERE, "fetched/").returncode != 0
    (client.home / "names").write_text("../secret.txt\n/etc/hostname\nup/secret.txt\netc/hostname\n")
    client.rsync("-a", "--files-from=names", HERE, "listed/")
    assert client.rsync("-a", "--files-from=:/names", HERE, "listed/").returncode != 0
    found = [path for path in client.home.rglob("*") if path.is_file() and path.name != "names"]
    assert not [path for path in found if "SECRET" in path.read_text() or path.name in ("hostname", "host")]


def test_nothing_is_written_outside(planted, site):
    client = planted
    (client.home / "x").write_text("x")
    places = ["up/written", "../written", "/written", "/etc/written", "/door/written", "etc/written", "/usr/written"]
    refused(client, *(f"put x {place}" for place in places))
    for place in ("up/written", "../written", "etc/written"):
        assert client.rsync("-a", "x", f"{HERE}{place}").returncode != 0
    assert client.rsync("-a", "x", f"{HERE}/written").returncode == 0  # which is in the link's folder
    assert list(site.root.rglob("written")) == [client.root / "written"]
    assert not [place for place in ("/written", "/etc/written", "/usr/written") if Path(place).exists()]


def test_links_that_come_lead_nowhere(client):
    (client.home / "my-data").mkdir()
    (client.home / "my-data" / "link").symlink_to("/etc/passwd")
    assert client.rsync("-a", "my-data/", HERE).returncode == 0
    assert os.readlink(client.root / "link").startswith("/rsyncd-munged/")


def test_what_the_portal_keeps_is_not_in_the_whole_project(keyed, site):
    (site.root / ".portolan").mkdir(exist_ok=True)
    (site.root / ".portolan" / "hidden.txt").write_text("SECRET")
    client = keyed(site.link(""))
    assert client.rsync("-a", HERE, "fetched/").returncode == 0
    assert (client.home / "fetched" / "raw").is_dir()
    assert not (client.home / "fetched" / ".portolan" / "hidden.txt").exists()
    (client.home / "x").write_text("x")
    refused(client, "put x .portolan/x", "get .portolan/hidden.txt", "rename .portolan seen")
    assert (site.root / ".portolan" / "hidden.txt").exists()


def test_dataset_stays_as_it_is(client, site):
    for name in ("raw/set", "raw/other"):
        (site.root / name).mkdir()
        (site.root / name / "a.mrc").write_text("a")
    client.link.door.do("lock", project=client.link.project, path="raw/set")
    (client.home / "x").write_text("x")
    refused(client, "put x set/x", "put x set/a.mrc", "rename set moved", "rename set/a.mrc b")
    assert client.rsync("-a", "x", f"{HERE}set/a.mrc").returncode != 0
    assert (site.root / "raw/set/a.mrc").read_text() == "a"
    assert client.sftp("put x other/x", "get set/a.mrc").returncode == 0


def test_there_is_no_other_command(client):
    server = "rsync --server --sender -logDtpre.iLsfxC"
    for line in (
        "", "id", "sh -c id", "scp -f .", "rsync", "rsync --server --daemon .", f"{server} --rsync-path=id . .",
        "rsync --server -e.x . a; id", f"{server} --log-file=/data/x . .", f"{server}; id", "sftp; id", "'",
    ):  # fmt: skip
        done = client.ssh(*([line] if line else []))
        assert done.returncode == 255, line
        assert "uid=" not in done.stdout
        assert "portolan:" in done.stderr
    assert client.names() == []
    rows = client.link.log(lambda rows: len(rows) == 12)
    assert {row[3] for row in rows} == {"ssh_command", "option_refused"}


def test_nothing_is_forwarded(client):
    alone = ("-o", "ControlPath=none")
    with socket.socket() as inside:
        inside.bind(("127.0.0.1", 0))
        inside.listen()
        done = client.ssh(options=(*alone, "-W", f"127.0.0.1:{inside.getsockname()[1]}"))
        assert "prohibited" in done.stderr
        inside.settimeout(0)
        with pytest.raises(BlockingIOError):
            inside.accept()
    done = client.ssh("sftp", options=(*alone, "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"))
    assert done.returncode == 255
    assert "forwarding" in done.stderr
    done = client.ssh("sftp", options=(*alone, "-v", "-A", "-X", "-tt", "-w", "any:any"))
    assert "PTY allocation request failed" in done.stderr
    assert "uid=" not in done.stdout
