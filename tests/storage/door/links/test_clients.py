"""The commands that a link is given with, typed as they are printed, by the real programs."""

import os
import random
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def tree(tmp_path) -> Path:
    """A folder to send: names with blanks, umlauts and signs, an empty file, one that is an upload."""
    chance, top = random.Random(2), tmp_path / "my-data"
    for name, size in (
        ("a.txt", 10),
        ("über uns/b #1.mrc", 70_000),
        ("über uns/leer", 0),
        ("c%20d.tif", 5),
        ("movie.mrc", 9_000_000),
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(chance.randbytes(size))
    return top


def typed(command: dict, folder: Path, replace: dict[str, str] | None = None) -> str:
    """What the command says when it is typed in ``folder``."""
    text = command["text"]
    for old, new in (replace or {}).items():
        text = text.replace(old, new)
    env = os.environ | {"HOME": str(folder), "RCLONE_CONFIG": "/dev/null", "RCLONE_WEBDAV_PACER_MIN_SLEEP": "1ms"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=env, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def contents(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def commands(link) -> dict[str, dict]:
    return {command["name"]: command for command in link.commands}


def test_rclone_sends_fetches_and_finds_no_difference(link, tree, tmp_path):
    typed(commands(link)["rclone_up"], tmp_path)
    assert contents(link.root) == contents(tree)
    back = tmp_path / "back"
    back.mkdir()
    typed(commands(link)["rclone_down"], back)
    assert contents(back / "my-data") == contents(tree)
    again = typed(
        commands(link)["rclone_up"], tmp_path, {" copy ": " check ", "./my-data :webdav:": "./my-data :webdav:"}
    )
    assert "0 differences found" in again
    (tree / "a.txt").unlink()
    typed(commands(link)["rclone_up"], tmp_path, {" copy ": " sync "})
    assert contents(link.root) == contents(tree)
    assert link.door.do("trash", project=link.project) == ["raw/a.txt"]


def test_curl_sends_goes_on_and_fetches_as_tar(link, tree, tmp_path):
    typed(commands(link)["curl_up"], tree)
    assert (link.root / "movie.mrc").read_bytes() == (tree / "movie.mrc").read_bytes()
    (link.root / "movie.mrc").unlink()
    whole = (tree / "movie.mrc").read_bytes()
    span = {"Content-Range": f"bytes 0-4999999/{len(whole)}"}
    assert link.ask("PUT", "movie.mrc", content=whole[:5_000_000], headers=span).status_code == 202
    typed(commands(link)["curl_resume"], tree)
    assert (link.root / "movie.mrc").read_bytes() == whole
    typed(commands(link)["curl_tar"], tmp_path)
    assert contents(tmp_path / "raw") == {"movie.mrc": whole}


def test_wget_fetches_the_folder(link, tree, tmp_path):
    for name in ("a.txt", "movie.mrc"):
        (link.root / name).write_bytes((tree / name).read_bytes())
    (link.root / "sub").mkdir()
    (link.root / "sub" / "b c.txt").write_bytes(b"bc")
    got = tmp_path / "got"
    got.mkdir()
    typed(commands(link)["wget_down"], got)
    found = {name: data for name, data in contents(got).items() if "index" not in name and "?" not in name}
    assert found == {
        "a.txt": (tree / "a.txt").read_bytes(),
        "movie.mrc": (tree / "movie.mrc").read_bytes(),
        "sub/b c.txt": b"bc",
    }


def test_davix_fetches_a_file(link, tree, tmp_path):
    (link.root / "movie.mrc").write_bytes((tree / "movie.mrc").read_bytes())
    typed(commands(link)["davix_down"], tmp_path)
    assert (tmp_path / "movie.mrc").read_bytes() == (tree / "movie.mrc").read_bytes()


def test_davix_sends_lists_makes_folders_and_deletes(link, tree, tmp_path):
    def davix(tool: str, *more: str) -> str:
        argv = [tool, "-H", f"Authorization: Bearer {link.token}", *more]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    davix("davix-mkdir", f"{link.url}sub/")
    davix("davix-put", str(tree / "movie.mrc"), f"{link.url}sub/movie.mrc")
    assert (link.root / "sub" / "movie.mrc").read_bytes() == (tree / "movie.mrc").read_bytes()
    assert davix("davix-ls", f"{link.url}sub/").split() == ["movie.mrc"]
    davix("davix-rm", f"{link.url}sub/movie.mrc")
    assert link.door.do("trash", project=link.project) == ["raw/sub/movie.mrc"]


def test_one_file_is_fetched_and_gone_on_with(site, tree, tmp_path):
    (site.root / "raw" / "movie.mrc").write_bytes((tree / "movie.mrc").read_bytes())
    one = site.link("raw/movie.mrc", rights=["read"])
    for name in ("curl_down", "wget_down"):
        (tmp_path / "movie.mrc").write_bytes((tree / "movie.mrc").read_bytes()[:1_000_000])
        typed(commands(one)[name], tmp_path)
        assert (tmp_path / "movie.mrc").read_bytes() == (tree / "movie.mrc").read_bytes()
