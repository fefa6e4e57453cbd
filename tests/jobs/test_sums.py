"""Sums of files on a site, by whatever is there."""

import hashlib

import pytest

from jobs.backends.runner import Here
from jobs.lifecycle.sums import digests

NAMES = ["plain", "two words", "-n", "a\\nb", "a\nb", "a\rb", "a\\", "\u2028line", "é"]


@pytest.mark.parametrize("programs", [["openssl", "sha256sum", "xargs", "sh"], ["sha256sum", "xargs", "sh"]])
def test_every_name_has_its_sum(tmp_path, programs):
    place, files = tmp_path / "bin", tmp_path / "files"
    place.mkdir()
    files.mkdir()
    for name in programs:
        (place / name).write_text(f'#!/bin/sh\nPATH=/usr/bin:/bin exec {name} "$@"\n')
        (place / name).chmod(0o755)
    wanted = {}
    for number, name in enumerate(NAMES):
        (files / name).write_bytes(b"x" * number)
        wanted[str(files / name)] = hashlib.sha256(b"x" * number).hexdigest()
    runner = Here({"PATH": str(place)})
    assert digests(runner, wanted) == wanted
    gone = str(files / "gone")
    assert digests(runner, [gone, str(files / "plain")]) == {str(files / "plain"): wanted[str(files / "plain")]}


def test_where_openssl_fails_the_other_program_is_asked(tmp_path):
    (tmp_path / "openssl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "openssl").chmod(0o755)
    (tmp_path / "file").write_bytes(b"y")
    found = digests(Here({"PATH": f"{tmp_path}:/usr/bin:/bin"}), [str(tmp_path / "file")])
    assert found == {str(tmp_path / "file"): hashlib.sha256(b"y").hexdigest()}
