"""Many clients, slow clients and large files: nobody is kept waiting, and the door's memory stays small."""

import os
import random
import threading
import time

import httpx
import pytest

from tests.storage.door.conftest import BYTES
from tests.storage.door.test_faults import cut, offset_of, start_patch


@pytest.mark.slow
def test_slow_clients_and_many_idle_uploads_keep_nobody_waiting_and_take_little_memory(place):
    rows = [f"/proc/{pid}/status" for pid in place.door.pids()]
    count = int(os.environ.get("IDLE_UPLOADS") or 150)
    urls = [place.begin(path=f"idle/{number}", size=10**6) for number in range(count)]
    for url in urls:
        assert place.patch(url, b"abc").status_code == 204
    before = _peak(rows)
    plugs = [start_patch(url, 3, 100) for url in urls[:100]]
    for number, plug in enumerate(plugs):
        plug.sendall(b"x" * (number % 3))
    began = time.monotonic()
    other = place.begin(path="quick", size=4)
    assert place.patch(other, b"abcd").status_code == 204
    assert time.monotonic() - began < 20
    assert _peak(rows) - before < 40 * 1024
    for plug in plugs:
        cut(plug)
    assert offset_of(place, urls[-1]) == 3


@pytest.mark.slow
def test_many_clients_at_once_share_one_budget_of_memory(place):
    rows = [f"/proc/{pid}/status" for pid in place.door.pids()]
    block = random.Random(4).randbytes(3 * 1024**2)
    count = int(os.environ.get("CROWD") or 40)
    urls = [place.begin(path=f"many/{number}", size=len(block)) for number in range(count)]
    answers = []
    send = lambda url: answers.append(httpx.patch(  # noqa: E731
        url, content=block, headers={**BYTES, "Upload-Offset": "0"}, timeout=300).status_code)  # fmt: skip
    threads = [threading.Thread(target=send, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [204] * count
    assert _peak(rows) < 150 * 1024


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(place):
    block = random.Random(1).randbytes(1024**2)
    rows = [f"/proc/{pid}/status" for pid in place.door.pids()]
    small, large = place.begin(path="small", size=8 * len(block)), place.begin(path="large", size=512 * len(block))
    assert place.patch(small, (block for _ in range(8))).status_code == 204
    before = _peak(rows)
    began = time.monotonic()
    assert place.patch(large, (block for _ in range(512))).status_code == 204
    assert time.monotonic() - began < 60
    assert _peak(rows) - before < 24 * 1024
    assert _peak(rows) < 250 * 1024


def _peak(rows: list[str]) -> int:
    """KiB of the largest process at its peak."""
    found = 0
    for row in rows:
        with open(row) as file:
            found = max(found, *(int(line.split()[1]) for line in file if line.startswith("VmHWM")))
    return found
