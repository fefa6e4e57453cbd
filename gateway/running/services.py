"""The services of an instance on one machine: what is started, and how one sees that it is up."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis
from django.conf import settings

from common.errors import Unavailable
from gateway.celery import app
from gateway.running import places


@dataclass(frozen=True, kw_only=True)
class Service:
    """One long-running program. ``ready()`` is True once it does its work."""

    name: str
    argv: list[str]
    ready: Callable[[], bool]
    stop_seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Instance:
    """What tells one instance on a machine from another."""

    home: Path
    host: str
    port: int
    door_port: int
    redis_url: str
    worker_processes: int = 2
    door_processes: int = 1
    ssh_port: int = 0

    @property
    def own_redis(self) -> bool:
        """True when Redis is the instance's private one, so ours to start."""
        return self.redis_url == f"unix://{places.redis_socket(self.home)}"


def services_of(instance: Instance) -> list[Service]:
    """The instance's services in the order of their start."""
    found = [_portal(instance), _door(instance), _worker(instance), _beat(instance)]
    if instance.ssh_port:
        found.append(_ssh_door(instance))
    return [_redis(instance), *found] if instance.own_redis else found


def refuse_taken_ports(instance: Instance) -> None:
    """All ports are free; Unavailable names the one that is not and says what to change."""
    ports = {"PORT": instance.port, "DOOR_PORT": instance.door_port, "SSH_DOOR_PORT": instance.ssh_port}
    for variable, port in ports.items():
        if not port:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((instance.host, port))
            except OSError as error:
                raise Unavailable(
                    f"Port {port} on {instance.host} can't be used: {error.strerror}.",
                    code="port_taken",
                    hint=f"Stop what listens there, or choose another with {variable}=….",
                ) from None


def program(name: str) -> str:
    """The full path of a program beside this Python, or on PATH; Unavailable when there is none."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        raise Unavailable(f"The program {name} is not installed.", code="program_missing", hint="Run `make setup`.")
    return found


def _redis(instance: Instance) -> Service:
    where = places.redis_socket(instance.home)
    places.private(where.parent)
    client = redis.Redis(unix_socket_path=str(where), socket_timeout=1)

    def ready() -> bool:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False

    # Nothing is saved: the broker is only a bell, the database knows what is to be done.
    options = {
        "--port": "0",
        "--unixsocket": str(where),
        "--unixsocketperm": "700",
        "--save": "",
        "--appendonly": "no",
        "--daemonize": "no",
        "--dir": str(places.run_dir(instance.home)),
    }
    argv = [program("redis-server"), *(word for pair in options.items() for word in pair)]
    return Service(name="redis", argv=argv, ready=ready)


def _portal(instance: Instance) -> Service:
    argv = [program("uvicorn"), "gateway.asgi:application", "--host", instance.host, "--port", str(instance.port)]
    argv += ["--no-access-log", "--no-server-header", "--lifespan", "off", "--timeout-graceful-shutdown", "3"]
    return Service(name="portal", argv=argv, ready=lambda: _answers(instance.host, instance.port, "/healthz"))


def _door(instance: Instance) -> Service:
    argv = [sys.executable, "-m", "gateway.serve_door", "--host", instance.host, "--port", str(instance.door_port)]
    argv += ["--processes", str(instance.door_processes)]
    return Service(name="door", argv=argv, ready=lambda: _listens(instance.host, instance.door_port))


def _ssh_door(instance: Instance) -> Service:
    argv = [sys.executable, "-m", "gateway.ssh_door", instance.host]
    return Service(name="ssh-door", argv=argv, ready=lambda: _listens(instance.host, instance.ssh_port))


def _worker(instance: Instance) -> Service:
    argv = [program("celery"), "-A", "gateway", "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    processes = instance.worker_processes + settings.COPIES_AT_ONCE
    argv += ["--concurrency", str(processes), "--hostname", f"worker-{instance.port}@%h"]

    def ready() -> bool:
        try:
            return bool(app.control.ping(timeout=0.5))
        except OSError:
            return False

    return Service(name="worker", argv=argv, ready=ready)


def _beat(instance: Instance) -> Service:
    schedule = places.run_dir(instance.home) / "beat-schedule"
    argv = [program("celery"), "-A", "gateway", "beat", "--loglevel", "WARNING", "--pidfile=", "-s", str(schedule)]
    return Service(name="beat", argv=argv, ready=schedule.parent.is_dir)


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked for by the operator


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((_reachable(host), port), timeout=1):
            return True
    except OSError:
        return False


def _answers(host: str, port: int, path: str) -> bool:
    try:
        answer = httpx.get(f"http://{_reachable(host)}:{port}{path}", timeout=5, headers={"Host": "localhost"})
    except httpx.HTTPError:
        return False
    return answer.is_success
