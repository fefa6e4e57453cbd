"""Commands and small files, here and over a real SSH connection."""

import threading
import time
from dataclasses import replace

import asyncssh
import pytest

from jobs.backends.base import SiteUnavailable
from jobs.backends.runner import Here, Runner
from jobs.backends.ssh import Ssh
from tests.jobs.backends.sshd import sshd_running


class RunnerContract:
    """What both runners do."""

    def test_a_command_gets_its_words_and_its_input_as_they_are(self, runner: Runner):
        words = ["$(touch x)", "a 'b' \"c\"", "-n", "new\nline", "ü", "*", "`id`", "\\", "", "~", "x" * 50_000]
        ran = runner.run(["sh", "-c", 'printf "%s\\0" "$@"; cat', "sh", *words], stdin=b"in\xff")
        assert ran.stdout.encode("utf-8", "surrogateescape") == "\0".join([*words, ""]).encode() + b"in\xff"

    def test_status_and_words_of_a_failure_are_told(self, runner):
        ran = runner.run(["sh", "-c", "echo no >&2; exit 3"])
        assert (ran.status, ran.said) == (3, "no")
        with pytest.raises(SiteUnavailable, match="status 3: no"):
            runner.checked(["sh", "-c", "echo no >&2; exit 3"])

    def test_a_command_that_does_not_answer_is_given_up(self, runner):
        began = time.monotonic()
        with pytest.raises(SiteUnavailable, match="did not answer within"):
            runner.run(["sleep", "60"], seconds=0.3)
        assert time.monotonic() - began < 30

    def test_files_are_written_whole_and_read_again(self, runner, tmp_path):
        path = tmp_path / "a 'name'\n"
        assert runner.get(path) is None
        assert not runner.exists(path)
        runner.put(path, b"x\xff" * 1000)
        assert runner.exists(path)
        assert runner.get(path) == b"x\xff" * 1000
        assert runner.get(path, most=4) == b"x\xffx\xff"
        runner.remove(path)
        assert list(tmp_path.iterdir()) == []

    def test_many_files_are_written_at_once_with_their_directories(self, runner, tmp_path):
        files = {tmp_path / f"{n} 'dir' {'long' * 30}" / "job.sh": b"\xff" * n for n in range(0, 3000, 500)}
        runner.put_all(files.items())
        assert {path: path.read_bytes() for path in tmp_path.glob("*/*")} == files
        assert {path.stat().st_mode & 0o777 for path in files} == {0o640}

    def test_one_of_two_makes_a_directory(self, runner, tmp_path):
        assert [runner.make_dir(tmp_path / "fence"), runner.make_dir(tmp_path / "fence")] == [True, False]
        with pytest.raises(SiteUnavailable):
            runner.make_dir(tmp_path / "no" / "fence")

    def test_many_at_once_all_get_their_own_answer(self, runner):
        answers: dict[int, str] = {}
        threads = [
            threading.Thread(target=lambda n=n: answers.__setitem__(n, runner.run(["echo", str(n)]).stdout))
            for n in range(30)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == {n: f"{n}\n" for n in range(30)}


class TestHere(RunnerContract):
    @pytest.fixture
    def runner(self):
        return Here({"MINE": "yes"})

    def test_nothing_of_the_portal_s_environment_is_passed_on(self, runner, monkeypatch):
        monkeypatch.setenv("SECRET_KEY", "very secret")
        said = Here({"MINE": "yes"}).run(["env"]).stdout
        assert "very secret" not in said
        assert "MINE=yes" in said

    def test_a_program_that_is_not_there_is_a_site_without_answer(self, runner):
        with pytest.raises(SiteUnavailable, match="could not be started"):
            runner.run(["no-such-program"])


class TestSsh(RunnerContract):
    @pytest.fixture
    def runner(self, sshd):
        return Ssh(sshd.machine, {"MINE": "it's $HOME"})

    def test_the_environment_is_set_there(self, runner):
        assert runner.run(["sh", "-c", 'echo "$MINE"']).stdout == "it's $HOME\n"

    def test_commands_share_one_connection(self, runner, sshd):
        before = {runner.run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout for _ in range(5)}
        assert len(before) == 1

    def test_another_host_key_is_refused(self, sshd, tmp_path):
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
        (tmp_path / "known").write_text(f"[127.0.0.1]:{sshd.machine.port} {other}\n")
        with pytest.raises(SiteUnavailable, match="host key is not the one"):
            Ssh(replace(sshd.machine, known_hosts_file=tmp_path / "known")).run(["true"])

    def test_a_key_that_is_not_accepted_is_told(self, sshd, tmp_path):
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "key")
        with pytest.raises(SiteUnavailable, match="does not accept the key"):
            Ssh(replace(sshd.machine, key_file=tmp_path / "key")).run(["true"])

    def test_a_cut_line_is_told_and_made_again(self, tmp_path):
        with sshd_running(tmp_path / "own") as server:
            runner = Ssh(server.machine)
            assert runner.run(["echo", "1"]).stdout == "1\n"
            problems: list[SiteUnavailable] = []

            def long() -> None:
                try:
                    runner.run(["sh", "-c", f"touch {tmp_path}/begun; sleep 60"], seconds=60)
                except SiteUnavailable as problem:
                    problems.append(problem)

            thread = threading.Thread(target=long)
            thread.start()
            deadline = time.monotonic() + 30
            while not (tmp_path / "begun").exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            server.cut()
            thread.join(30)
            assert len(problems) == 1
            with pytest.raises(SiteUnavailable, match="can't be reached"):
                runner.run(["true"])
            server.start()
            while True:  # a pause is kept after a failed connection
                try:
                    assert runner.run(["echo", "2"]).stdout == "2\n"
                    break
                except SiteUnavailable:
                    assert time.monotonic() < deadline + 60
                    time.sleep(0.1)
