"""rsync and SFTP by a link, with OpenSSH's clients."""

import hashlib
import re
import signal
import subprocess

import pytest

from tests.live import ROOT, wait_until

pytestmark = pytest.mark.slow
HERE = "link@127.0.0.1:"


def make_data(client, data):
    (client.home / "my-data" / "deep").mkdir(parents=True)
    (client.home / "my-data" / "movie.mrc").write_bytes(data)
    (client.home / "my-data" / "deep" / "größe 1.txt").write_text("small")


def test_folder_is_sent_and_fetched_by_rsync(client, data):
    make_data(client, data)
    done = client.rsync("-a", "--partial", "my-data/", HERE)
    assert done.returncode == 0, done.stderr
    assert (client.root / "movie.mrc").read_bytes() == data
    done = client.rsync("-az", HERE, "fetched/")
    assert done.returncode == 0, done.stderr
    assert (client.home / "fetched" / "deep" / "größe 1.txt").read_text() == "small"
    rows = client.link.log(lambda rows: len(rows) == 4)
    assert sorted(tuple(row) for row in rows) == [
        ("create", "deep/größe 1.txt", 5, "ok", "127.0.0.1"),
        ("create", "movie.mrc", len(data), "ok", "127.0.0.1"),
        ("read", "deep/größe 1.txt", 5, "ok", "127.0.0.1"),
        ("read", "movie.mrc", len(data), "ok", "127.0.0.1"),
    ]
    traffic = client.link.traffic()
    assert (traffic["files_in"], traffic["files_out"]) == (2, 2)
    assert traffic["bytes_in"] >= len(data)
    assert traffic["bytes_out"] >= len(data)


def test_what_came_is_counted_and_its_checksum_is_computed_later(client, data):
    make_data(client, data)
    assert client.rsync("-a", "my-data/movie.mrc", f"{HERE}other.mrc").returncode == 0
    door, project = client.link.door, client.link.project
    wait_until(lambda: door.do("counters", project=project)["files"] == 1, what="the counters")
    assert door.do("counters", project=project)["bytes"] == len(data)
    assert door.do("compute_sums") >= 1
    assert door.do("sum_of", project=project, path="raw/other.mrc")["sha256"] == hashlib.sha256(data).hexdigest()
    assert (client.root / "other.mrc").stat().st_mode & 0o777 == 0o660


def test_cut_rsync_goes_on_where_it_was(client, data):
    (client.home / "big.mrc").write_bytes(data * 4)
    argv = client.rsync_argv("-a", "--partial", "--bwlimit=3m", "big.mrc", HERE)
    sender = subprocess.Popen(argv, cwd=client.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: any(path.stat().st_size > 1024**2 for path in client.root.glob(".big.mrc.*")), what="some bytes")
    sender.send_signal(signal.SIGINT)
    sender.wait(30)
    wait_until((client.root / ".rsync-partial" / "big.mrc").exists, what="the part that came")
    assert not (client.root / "big.mrc").exists()
    done = client.rsync("-a", "--partial", "--no-whole-file", "--stats", "big.mrc", HERE)
    assert done.returncode == 0, done.stderr
    assert (client.root / "big.mrc").read_bytes() == data * 4
    matched = next(line for line in done.stdout.splitlines() if line.startswith("Matched data:"))
    assert int("".join(filter(str.isdigit, matched))) >= 1024**2
    assert client.names() == ["big.mrc"]


def test_files_are_sent_and_fetched_by_sftp(client, data):
    (client.home / "movie.mrc").write_bytes(data)
    done = client.sftp("put movie.mrc", "mkdir deep", "rename movie.mrc deep/moved.mrc", "get deep/moved.mrc back")
    assert done.returncode == 0, done.stderr
    assert (client.home / "back").read_bytes() == data
    assert (client.root / "deep/moved.mrc").stat().st_mode & 0o777 == 0o660
    rows = client.link.log(lambda rows: len(rows) == 3)
    assert [row[:4] for row in rows] == [
        ["write", "movie.mrc", len(data), "ok"],
        ["move", "deep/moved.mrc", 0, "ok"],
        ["read", "deep/moved.mrc", len(data), "ok"],
    ]


def test_key_that_the_person_has_is_certified(client, data):
    client.run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", "mine")
    link = client.link
    public = (client.home / "mine.pub").read_text()
    made = link.door.do("key", user="contributor", project=link.project, link=link.id, public_key=public)
    assert made["private"] == ""
    (client.home / "mine").rename(client.home / "link-key")
    (client.home / "link-key-cert.pub").write_text(made["certificate"])
    (client.root / "movie.mrc").write_bytes(data)
    assert client.sftp("get movie.mrc").returncode == 0
    assert (client.home / "movie.mrc").read_bytes() == data


def test_link_to_a_file_gives_that_file(keyed, site, data):
    (site.root / "raw" / "movie.mrc").write_bytes(data)
    (site.root / "raw" / "other.mrc").write_bytes(b"other")
    client = keyed(site.link("raw/movie.mrc", rights=["read", "overwrite"]))
    done = client.rsync("-a", HERE, "fetched/")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (client.home / "fetched").iterdir()] == ["movie.mrc"]
    assert client.rsync("-a", "fetched/movie.mrc", HERE).returncode != 0
    assert client.sftp("put fetched/movie.mrc new").returncode != 0


def test_printed_commands_do_what_they_say(client, data):
    (client.home / "my-data").mkdir()
    for name in ("my-data/movie.mrc", "movie.mrc"):
        (client.home / name).write_bytes(data)
    for file in ("link-key", "link-key-cert.pub", "link-hosts"):
        (client.home / file).unlink()
    commands = client.key["commands"]
    assert [command["name"] for command in commands] == ["ssh_save", "rsync_up", "sftp_up", "rsync_down", "sftp_look"]
    page = (ROOT / "docs/send-large-data.md").read_text()
    (documented,) = (text for text in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "$SSH_PORT" in text)
    where = f"SSH_HOST=127.0.0.1 SSH_PORT={client.port}\n"
    for text in (*(command["text"] for command in commands), where + documented):
        done = client.run("bash", "-euo", "pipefail", "-c", text)
        assert done.returncode == 0, text + done.stderr
    assert client.names() == ["by-sftp.mrc", "movie.mrc"]
    assert (client.home / "fetched" / "movie.mrc").read_bytes() == data
