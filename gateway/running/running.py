"""From the settings to a running instance, and back to nothing when somebody says stop."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from django.conf import settings

from gateway.running.services import Instance, Service, refuse_taken_ports, services_of
from gateway.running.supervisor import Supervisor, only_runner

LOOK_SECONDS = 0.2


def this_instance() -> Instance:
    """The instance that the environment describes."""
    return Instance(
        home=settings.PORTOLAN_HOME,
        host=os.environ.get("HOST") or "127.0.0.1",
        port=settings.PORT,
        door_port=settings.DOOR_PORT,
        redis_url=settings.REDIS_URL,
        worker_processes=int(os.environ.get("WORKER_PROCESSES") or 2),
        door_processes=settings.DOOR_PROCESSES,
        ssh_port=settings.SSH_DOOR_PORT,
    )


class Stop:
    """True once a signal asked the runner to end."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        self.asked = True


@contextmanager
def ending_on_signals() -> Iterator[Stop]:
    """Ctrl-C, SIGTERM and a closed terminal set the given Stop; what they did before is back afterwards."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(
    *,
    prepare: Callable[[], None],
    say: Callable[[str], None],
    end_jobs: bool = False,
    started: Callable[[], None] = lambda: None,
    done: Callable[[], bool] = lambda: False,
    extra: Sequence[Service] = (),
) -> None:
    """The instance ran until a signal came or ``done()`` was True; no service is left.

    ``started`` is called once when all services are up. With ``end_jobs`` running jobs end too; without it they go
    on and are found again at the next start. ``extra`` services are started before the instance's own.
    """
    instance = this_instance()
    with only_runner(instance.home), ending_on_signals() as stop:
        refuse_taken_ports(instance)
        prepare()
        supervisor = Supervisor([*extra, *services_of(instance)], home=instance.home, say=say)
        try:
            supervisor.start(interrupted=lambda: bool(stop))
            if not stop:
                started()
            while not stop and not done():
                supervisor.tend()
                time.sleep(LOOK_SECONDS)
        finally:
            going_on = 0 if end_jobs else len(supervisor.others())
            say("Stopping …")
            supervisor.stop(with_orphans=end_jobs)
            if going_on:
                say(f"{going_on} process(es) of running jobs go on; the next start finds them.")
            say("Everything that was started has ended." if not going_on else "All services have ended.")
