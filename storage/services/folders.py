"""Folders of projects: made, filled from a source, found on disk."""

from pathlib import Path

from django.conf import settings

from common.errors import NotFound
from projects.models import Project
from storage.listing import root_of
from storage.models import Folder, StorageSite


def ensure_default_site() -> StorageSite:
    """The site on which new folders are made; a first one is made in ``STORAGE_ROOT`` where there is none."""
    site = StorageSite.objects.filter(is_default=True).first()
    if site is None:
        root = Path(settings.STORAGE_ROOT)
        root.mkdir(mode=0o770, parents=True, exist_ok=True)
        site, _ = StorageSite.objects.get_or_create(name="main", defaults={"root": str(root), "is_default": True})
    return site


def folder_of(project: Project) -> Folder:
    """The folder of ``project``; NotFound when it has none."""
    folder = Folder.objects.select_related("site").filter(project=project).first()
    if folder is None:
        raise NotFound("This project has no folder yet.", code="no_folder")
    return folder


def folder_root(folder: Folder) -> Path:
    """The directory of ``folder``."""
    return root_of(folder)
