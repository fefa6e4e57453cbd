"""Imports into ``project`` from real servers on loopback, which the operator has named as inside."""

from collections.abc import Iterator

import pytest

from storage.imports import lifecycle
from storage.imports.entry import Entry
from storage.models import Import, ImportState
from storage.services import imports
from tests.storage.imports import servers
from tests.storage.imports.servers import KEY, PASSWORD, SECRET, USER, Place


@pytest.fixture(scope="session")
def webdav(tmp_path_factory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("webdav")
    with servers.rclone("webdav", root, "--user", USER, "--pass", PASSWORD, "--etag-hash", "MD5") as place:
        yield place


@pytest.fixture(scope="session")
def web(tmp_path_factory) -> Iterator[Place]:
    with servers.nginx(tmp_path_factory.mktemp("web"), tmp_path_factory.mktemp("nginx")) as place:
        yield place


@pytest.fixture(scope="session")
def bucket(tmp_path_factory) -> Iterator[Place]:
    with servers.rclone("s3", tmp_path_factory.mktemp("s3"), "--auth-key", f"{KEY},{SECRET}") as place:
        yield place


@pytest.fixture(autouse=True)
def _loopback_is_inside(settings) -> None:
    settings.IMPORT_INSIDE_HOSTS = frozenset({"127.0.0.1"})


@pytest.fixture
def bring(contributor, project):
    """``bring(address, …)`` is an import that was made, listed, started and worked on until nothing is due."""

    def brought(*addresses: str, kind="http", target="in", conflict="skip", turns=50, **entry) -> Import:
        run = imports.make_import(
            contributor, project.pk, kind=kind, entry=Entry(addresses=list(addresses), **entry), target=target,
            conflict=conflict, starts_itself=True,
        )  # fmt: skip
        return until_rest(run, turns)

    return brought


def until_rest(run: Import, turns: int = 50) -> Import:
    """The import after turns until nothing is due; what waits to be tried again need not wait here."""
    for _ in range(turns):
        run.items.update(retry_at=None)
        Import.objects.filter(pk=run.pk, state=ImportState.LISTING).update(turn_at=run.created_at)
        if not lifecycle.take_turn(seconds=5):
            break
    run.refresh_from_db()
    return run
