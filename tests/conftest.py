"""Fixtures called by role."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test import Client
from playwright.sync_api import Playwright
from rest_framework.test import APIClient

from accounts.models import User
from projects import append_only
from projects.models import Membership, Project
from projects.roles import Role
from storage.filling import make_root
from storage.models import Folder
from storage.services.folders import ensure_default_site, folder_of, folder_root

pytest_plugins = [
    "tests.live",
    "tests.oidc.institutes",
    "tests.storage.sites.rclone",
    "tests.storage.sites.xrootd",
]

# Rows that are fought for, and the rules of a database that SQLite is lax about: run on PostgreSQL too.
ON_POSTGRES = (
    "tests/jobs/test_",
    "tests/storage/services/",
    "tests/storage/uploads/",
    "tests/storage/door/",
    "tests/storage/test_files.py",
    "tests/storage/test_folders.py",
    "tests/storage/test_quota.py",
    "tests/storage/test_views.py",
    "tests/projects/",
    "tests/accounts/",
    "tests/gateway/test_indexes.py",
    "tests/gateway/test_jobs_api.py",
    "tests/gateway/test_operations.py",
    "tests/gateway/test_pages.py",
)


@pytest.fixture(scope="session")
def playwright(playwright: Playwright) -> Playwright:
    """Playwright, whose event loop runs on in the process until the last of its tests has ended.

    Django would take each later test there for asynchronous code and refuse it the database.
    """
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    return playwright


# The longest files of the slow tests begin first, so that no process waits for another at the end.
LONGEST = ("tests/docs/test_rest.py", "tests/tools/test_samples_through_cwl.py", "tests/browser/test_pages.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is in the folders above is marked ``locks``; a test elsewhere says so itself."""
    for item in items:
        if item.nodeid.startswith(ON_POSTGRES):
            item.add_marker("locks")


@pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
def pytest_longest_first(items: list[pytest.Item]) -> None:
    """The shuffled order is kept but for the longest files."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def _tables_can_be_emptied() -> Iterator[None]:
    """Between tests all tables are emptied, also the trail's, whose triggers refuse it otherwise."""
    plain = BaseDatabaseOperations.execute_sql_flush

    def emptied(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
        vendor = self.connection.vendor
        plain(self, [*append_only.removal(vendor), *sql_list, *append_only.statements(vendor)])

    BaseDatabaseOperations.execute_sql_flush = emptied
    yield
    BaseDatabaseOperations.execute_sql_flush = plain


@pytest.fixture(autouse=True)
def _own_home(settings, tmp_path: Path) -> None:
    settings.PORTOLAN_HOME = tmp_path / "home"
    settings.STORAGE_ROOT = tmp_path / "home" / "projects"
    settings.SAMPLE_DIR = tmp_path / "home" / "samples"


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    """No request, token or wrong password of another test counts in this one."""
    cache.clear()


def _person(name: str) -> User:
    return User.objects.create_user(username=name, password="a long password", email=f"{name}@example.org")


@pytest.fixture
def owner(db) -> User:
    return _person("owner")


@pytest.fixture
def manager(db) -> User:
    return _person("manager")


@pytest.fixture
def contributor(db) -> User:
    return _person("contributor")


@pytest.fixture
def viewer(db) -> User:
    return _person("viewer")


@pytest.fixture
def stranger(db) -> User:
    return _person("stranger")


@pytest.fixture
def operator(db) -> User:
    return User.objects.create_superuser(username="operator", password="a long password", email="operator@example.org")


@pytest.fixture
def bare_project(owner, manager, contributor, viewer) -> Project:
    """A project with one member of each role, and no folder yet."""
    project = Project.objects.create(name="Apoferritin")
    for user in (owner, manager, contributor, viewer):
        Membership.objects.create(project=project, user=user, role=Role(user.username))
    return project


@pytest.fixture
def project(bare_project) -> Project:
    """A project with one member of each role and an empty folder on disk."""
    folder = Folder.objects.create(project=bare_project, site=ensure_default_site())
    make_root(folder)
    return bare_project


@pytest.fixture
def root(project) -> Path:
    """The directory of ``project``."""
    return folder_root(folder_of(project))


@pytest.fixture
def api():
    """``api(user)`` is an API client with that user's session; ``api()`` is nobody's."""

    def client(user: User | None = None) -> APIClient:
        made = APIClient()
        if user is not None:
            made.force_login(user)
        return made

    return client


@pytest.fixture
def browser_of():
    """``browser_of(user)`` is Django's test client signed in as that user."""

    def client(user: User) -> Client:
        made = Client()
        made.force_login(user)
        return made

    return client
