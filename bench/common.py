"""What every measurement needs: an instance of its own, a clock, a median."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.running.client import Gateway
from tests.live import ROOT, LivePortolan, new_instance

TOOL_DIRS = f"{ROOT / 'jobs' / 'tools'},{ROOT / 'bench' / 'tools'}"


@contextmanager
def instance(**extra: str) -> Iterator[LivePortolan]:
    """A running instance with the default periods, ended with the block."""
    live = new_instance(extra={"TOOL_DIRS": TOOL_DIRS, "POLL_SECONDS": "1", "RECONCILE_SECONDS": "5", **extra})
    try:
        live.start()
        yield live
    finally:
        live.stop()


def gateway_of(live: LivePortolan) -> Gateway:
    """A researcher's way in."""
    return Gateway(live.url, live.token("researcher"))


def seconds_of(act: Callable[[], object]) -> float:
    """How long one call took."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def median_of(act: Callable[[], object], times: int) -> float:
    """The median of several calls, in seconds; one call before them is not counted."""
    act()
    return statistics.median(seconds_of(act) for _ in range(times))
