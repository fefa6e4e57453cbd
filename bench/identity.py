"""What each way to say who one is costs, how often providers are asked, and how fast access ends."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import httpx

from bench.common import instance
from tests.accounts.fake_provider import FakeProvider
from tests.live import PASSWORD, LivePortolan

ENDPOINT = "/api/v1/me/"
ROUNDS, IN_A_ROUND = 20, 50
REMOVALS = 5
LOOK_SECONDS = 30.0

Ask = Callable[[], httpx.Response]


def requests() -> dict[str, Any]:
    """Requests a second by session, personal token, JWT and opaque token, and what providers were asked meanwhile."""
    with _provider("jwt") as signing, _provider("opaque") as knowing:
        providers = {"OIDC_PROVIDERS": "opaque,jwt", **signing.variables(), **knowing.variables()}
        with instance(**providers, **UNLIMITED) as live:
            clients = {
                "session": _session(live, "member"),
                "personal token": _bearer(live, live.token("member")),
                "JWT": _bearer(live, signing.jwt()),
                "opaque token": _bearer(live, knowing.handle("opaque")),
            }
            seconds = dict.fromkeys(clients, 0.0)
            for _ in range(ROUNDS):
                for name, client in clients.items():
                    seconds[name] += _taken(client, IN_A_ROUND)
        calls = {"JWT": dict(signing.calls), "opaque token": dict(knowing.calls)}
    rates = {name: ROUNDS * IN_A_ROUND / taken for name, taken in seconds.items()}
    ratios = {name: rate / rates["session"] for name, rate in rates.items()}
    took = sum(seconds.values())
    return {"per_second": rates, "ratio": ratios, "provider_calls": calls, "requests": ROUNDS * IN_A_ROUND, "s": took}


def removal() -> dict[str, Any]:
    """How long after the answer to “remove” a request of that member was still let in: milliseconds, 0 for none."""
    found: dict[str, list[float]] = {"page": [], "API": [], "upload at the door": [], "transfer link at the door": []}
    with instance(**UNLIMITED) as live:
        owner = httpx.Client(base_url=f"{live.url}/api/v1", headers=_header(live.token("owner")), timeout=30)
        member = httpx.Client(base_url=f"{live.url}/api/v1", headers=_header(live.token("member")), timeout=30)
        person = member.get("/me/").json()["id"]
        session = _session(live, "member")
        project = owner.post("/projects/", json={"name": "Removal"}).json()["id"]
        for number in range(REMOVALS):
            body = {"username": "member", "role": "contributor"}
            owner.post(f"/projects/{project}/members/", json=body).raise_for_status()
            upload = {"path": f"file-{number}", "size": 1000}
            address = member.post(f"/projects/{project}/uploads/", json=upload).json()["url"]
            ways: dict[str, Ask] = {
                "page": partial(session.get, f"{live.url}/projects/{project}/people/"),
                "API": partial(member.get, f"/projects/{project}/"),
                "upload at the door": partial(httpx.head, address, headers={"Tus-Resumable": "1.0.0"}),
            }
            link = member.post(f"/projects/{project}/links/", json={"path": "", "rights": ["list"], "expires_in": 600})
            ways["transfer link at the door"] = _link(link.raise_for_status().json())
            remove = partial(owner.delete, f"/projects/{project}/members/{person}/")
            for name, late in _late(ways, remove).items():
                found[name].append(late)
    return {name: {"most_ms": max(late), "times": len(late)} for name, late in found.items() if late}


UNLIMITED = {"API_REQUESTS_PER_MINUTE": "100000000", "USAGE_POLICY_FILE": ""}


@contextmanager
def _provider(name: str) -> Iterator[FakeProvider]:
    made = FakeProvider(name)
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()


def _session(live: LivePortolan, user: str) -> httpx.Client:
    live.token(user)
    client = httpx.Client(base_url=live.url, timeout=30, follow_redirects=True)
    client.get("/login/")
    token = next(value for name, value in client.cookies.items() if "csrf" in name)
    form = {"username": user, "password": PASSWORD, "csrfmiddlewaretoken": token}
    client.post("/login/", data=form, headers={"Referer": live.url, "Origin": live.url}).raise_for_status()
    return client


def _header(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _bearer(live: LivePortolan, token: str) -> httpx.Client:
    return httpx.Client(base_url=live.url, headers=_header(token), timeout=30)


def _taken(client: httpx.Client, count: int) -> float:
    client.get(ENDPOINT).raise_for_status()
    began = time.perf_counter()
    for _ in range(count):
        client.get(ENDPOINT).raise_for_status()
    return time.perf_counter() - began


def _link(made: dict[str, Any]) -> Ask:
    return partial(httpx.get, made["url"], headers=_header(made["token"]))


def _late(ways: dict[str, Ask], remove: Ask) -> dict[str, float]:
    """For each way: milliseconds from the answer to ``remove`` to the start of the last request that was let in."""
    accepted: dict[str, float] = {}
    stop = threading.Event()

    def hammer(name: str, ask: Ask) -> None:
        while not stop.is_set():
            began = time.perf_counter()
            with suppress(httpx.HTTPError):
                if ask().status_code < 300:
                    accepted[name] = began

    threads = [threading.Thread(target=hammer, args=one, daemon=True) for one in ways.items()]
    for thread in threads:
        thread.start()
    _until(accepted, set(ways))
    remove().raise_for_status()
    answered = time.perf_counter()
    time.sleep(1.0)  # they go on asking: this is the time in which a late one would be let in
    stop.set()
    for thread in threads:
        thread.join(30)
    return {name: max(0.0, (at - answered) * 1000) for name, at in accepted.items()}


def _until(accepted: dict[str, float], ways: set[str]) -> None:
    deadline = time.monotonic() + LOOK_SECONDS
    while set(accepted) != ways:
        if time.monotonic() > deadline:
            raise RuntimeError(f"Never let in, so the end can't be measured: {sorted(ways - set(accepted))}")
        time.sleep(0.01)  # seldom, so that it takes nothing from the threads that ask
