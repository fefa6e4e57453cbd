"""Ports, sockets and programs of an instance."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import Unavailable
from gateway.running import places
from gateway.running.services import Instance, program, refuse_taken_ports, services_of
from tests.live import free_ports


@pytest.fixture
def instance(tmp_path) -> Instance:
    port, door_port = free_ports(2)
    home = tmp_path / "home"
    url = f"unix://{places.redis_socket(home)}"
    return Instance(home=home, host="127.0.0.1", port=port, door_port=door_port, redis_url=url)


def test_free_ports_are_not_refused(instance):
    refuse_taken_ports(instance)


@pytest.mark.parametrize(("variable", "which"), [("PORT", "port"), ("DOOR_PORT", "door_port")])
def test_a_taken_port_is_named_with_the_variable_to_change(instance, variable, which):
    with socket.socket() as other:
        other.bind(("127.0.0.1", getattr(instance, which)))
        other.listen()
        with pytest.raises(Unavailable, match=str(getattr(instance, which))) as caught:
            refuse_taken_ports(instance)
    assert f"{variable}=" in caught.value.hint


def test_redis_listens_on_no_port_and_starts_first(instance):
    services = services_of(instance)
    assert [service.name for service in services] == ["redis", "portal", "door", "worker", "beat"]
    argv = services[0].argv
    assert argv[argv.index("--port") + 1] == "0"


def test_a_given_redis_is_not_started(instance):
    given = Instance(home=instance.home, host="127.0.0.1", port=1, door_port=2, redis_url="redis://redis:6379/0")
    assert "redis" not in [service.name for service in services_of(given)]


def test_the_door_has_as_many_processes_as_were_asked_for(instance):
    door = next(service for service in services_of(replace(instance, door_processes=3)) if service.name == "door")
    assert door.argv[door.argv.index("--processes") + 1] == "3"


def test_a_deep_home_has_its_socket_where_the_path_fits(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    assert places.redis_socket(tmp_path / "h") == tmp_path / "h" / "run" / "redis.sock" or len(str(tmp_path)) > 80
    short = places.redis_socket(deep)
    assert len(str(short)) < 100
    assert short == places.redis_socket(deep)
    assert short != places.redis_socket(deep / "other")


def test_a_folder_of_somebody_else_is_not_used(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(PermissionError):
        places.private(link)


def test_a_private_folder_is_closed_to_others(tmp_path):
    assert places.private(tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setenv("PATH", str(Path("/nonexistent")))
    with pytest.raises(Unavailable, match="no-such-program"):
        program("no-such-program")
