"""From rows to adapters."""

from __future__ import annotations

from collections.abc import Callable

from storage.models import RemoteFolder, SiteKind, StorageSite
from storage.sites.base import SiteAdapter
from storage.sites.s3 import S3Adapter, Store
from storage.sites.webdav import Door, WebdavAdapter

DATA = "data"


def _webdav(site: StorageSite, folder: str) -> SiteAdapter:
    limits = frozenset(site.probe.get("limits") or ())
    return WebdavAdapter(door=door_of(site), folder=folder, limits=limits)


def _s3(site: StorageSite, folder: str) -> SiteAdapter:
    return S3Adapter(store=store_of(site), folder=folder.lstrip("/"))


ADAPTERS: dict[str, Callable[[StorageSite, str], SiteAdapter]] = {SiteKind.WEBDAV: _webdav, SiteKind.S3: _s3}


def adapter_of(folder: RemoteFolder) -> SiteAdapter:
    """The adapter of a project's folder on a site with its own door."""
    return ADAPTERS[folder.site.kind](folder.site, f"{folder.site.prefix}/{folder.project_id}/{DATA}/")


def door_of(site: StorageSite) -> Door:
    """The WebDAV door of the site."""
    return Door(base_url=site.base_url, settings=site.settings)


def store_of(site: StorageSite) -> Store:
    """The S3 store of the site."""
    return Store(base_url=site.base_url, settings=site.settings)
