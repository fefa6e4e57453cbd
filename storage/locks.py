"""Datasets: folders that were marked complete, so that nothing in them changes; and the list on disk that says so.

The rows are the truth; the list (``.portolan/locked``) is what ``storage.paths`` looks at whenever something is to be
written, so that pages, doors and jobs are held to it in one place. It is written anew from the rows after each change.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from storage.listing import root_of
from storage.models import Dataset, Folder
from storage.paths import LOCKED_LIST, ensure_dir, inner, open_beneath, plain_errors, rename_beneath

MANIFEST = "manifest-sha256.txt"


def write_list(folder: Folder) -> None:
    """The list on disk names the folder's datasets."""
    root = root_of(folder)
    locked = sorted(Dataset.objects.filter(folder=folder, unlocked_at=None).values_list("path", flat=True))
    write_inner(root, LOCKED_LIST, json.dumps(locked))


def write_inner(root: Path, name: str, text: str, *above: str) -> None:
    """The file of the hidden area has this text, whole and at once."""
    names = (*above, name)
    ensure_dir(root, inner(*above) if above else inner("tmp"))
    new = inner(*above, f"{name}.new") if above else inner("tmp", f"{name}.new")
    fd = open_beneath(root, new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    with plain_errors(name), os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    rename_beneath(root, new, inner(*names), replace=True)


def read_manifest(dataset: Dataset) -> str:
    """The manifest of a sealed dataset as it was written; NotFound when it is not there."""
    fd = open_beneath(root_of(dataset.folder), inner("datasets", str(dataset.pk), MANIFEST), os.O_RDONLY)
    with os.fdopen(fd, encoding="utf-8") as file:
        return file.read()


def write_manifest(dataset: Dataset, text: str) -> None:
    """The manifest is on disk, beside the data."""
    write_inner(root_of(dataset.folder), MANIFEST, text, "datasets", str(dataset.pk))
