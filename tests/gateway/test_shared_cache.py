"""Counts are shared through a real Redis, and kept in memory while it is away."""

import os
import signal
import subprocess
import time

import pytest
import redis

from gateway import shared_cache
from gateway.shared_cache import SharedCache
from tests.live import wait_until


class Server:
    """A Redis on a socket."""

    def __init__(self, folder):
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.process = None

    def start(self):
        argv = [
            "redis-server",
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--save",
            "",
            "--dir",
            str(self.socket.parent),
        ]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        wait_until(self.answers, what="redis")

    def answers(self):
        try:
            return redis.Redis.from_url(self.url).ping()
        except redis.RedisError:
            return False

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    made.start()
    yield made
    made.end()


@pytest.fixture
def processes(server):
    """The caches of two processes on the same Redis."""
    found = [SharedCache(server.url, {}) for _ in range(2)]
    found[1].parts = shared_cache.Parts(server.url)
    return found


def test_what_one_process_counts_the_other_sees(processes):
    one, other = processes
    assert one.add("count", 0, timeout=60)
    assert not other.add("count", 5, timeout=60)
    assert [one.incr("count"), other.incr("count"), one.get("count")] == [1, 2, 2]
    one.set("said", {"who": "ada", "at": 1.5})
    assert other.get("said") == {"who": "ada", "at": 1.5}
    assert other.delete("said")
    assert one.get("said", "nothing") == "nothing"
    with pytest.raises(ValueError, match="not found"):
        one.incr("absent")


def test_what_is_kept_has_an_end(processes, server):
    one, _ = processes
    client = redis.Redis.from_url(server.url)
    for seconds in (60, 6000):
        one.add(f"count-{seconds}", 0, timeout=seconds)
        one.incr(f"count-{seconds}")
        assert seconds - 30 < client.ttl(f"portolan:1:count-{seconds}") <= seconds
    client.set("portolan:1:lost", 0)  # as when it ends between being looked at and being counted
    one.incr("lost")
    assert 0 < client.ttl("portolan:1:lost") <= 300


def test_what_in_redis_is_not_ours_stays_when_the_cache_is_cleared(processes, server):
    client = redis.Redis.from_url(server.url)
    client.set("celery", "queue")
    processes[0].set("mine", 1)
    processes[1].clear()
    assert processes[0].get("mine") is None
    assert client.get("celery") == b"queue"


def test_without_redis_each_process_counts_for_itself(processes, server, monkeypatch):
    monkeypatch.setattr(shared_cache, "AWAY_SECONDS", 3600.0)
    one, other = processes
    server.end()
    for cache in processes:
        cache.add("count", 0, timeout=60)
    assert [one.incr("count"), one.incr("count"), other.incr("count")] == [1, 2, 1]
    one.set("said", [1, 2])
    assert one.get("said") == [1, 2]
    one.clear()
    assert one.get("said") is None


def test_redis_is_asked_again_after_a_while(processes, server, monkeypatch):
    monkeypatch.setattr(shared_cache, "AWAY_SECONDS", 0.0)
    one, other = processes
    server.end()
    one.set("said", "alone")
    server.start()
    one.set("said", "together")
    assert other.get("said") == "together"


def test_a_redis_that_hangs_costs_one_wait_only(processes, server, monkeypatch):
    monkeypatch.setattr(shared_cache, "AWAY_SECONDS", 3600.0)
    one, _ = processes
    one.set("warm", 1)
    os.kill(server.process.pid, signal.SIGSTOP)
    one.set("said", "alone")
    began = time.monotonic()
    assert [one.get("said") for _ in range(50)] == ["alone"] * 50
    assert time.monotonic() - began < shared_cache.ANSWER_SECONDS * 50, "not each call waited"


def test_what_is_no_json_is_refused_rather_than_pickled(processes):
    with pytest.raises(TypeError):
        processes[0].set("said", object())
