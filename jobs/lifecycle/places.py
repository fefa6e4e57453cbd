"""The places of a job and of its attempts on disk.

``jobs/<number>-<tool>/`` (the job folder) has ``inputs.json``, ``command.txt``, the logs, ``outputs.json`` and
``ro-crate-metadata.json``. While the job runs its command works in ``work-<n>/`` there, where its plots can be
followed; when its outputs have been found whole and are on disk, that directory becomes ``outputs/`` by one rename.
Control files and scratch space are in the folder's hidden area, ``.portolan/attempts/<id>/``, on the same file system.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import PortolanError
from jobs.models import Attempt, Job
from projects.models import Project
from storage.models import Folder
from storage.paths import (
    Inner,
    ensure_dir,
    exists_beneath,
    inner,
    open_beneath,
    plain_errors,
    remove_beneath,
    rename_beneath,
)
from storage.services.folders import folder_of, folder_root

AREA = "attempts"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a job is. ``root`` is the project's directory, the others are paths in it or below it."""

    root: Path
    folder: str
    outputs: str

    def path(self, relative: str) -> Path:
        """The absolute path of something that the portal itself made in the job's places."""
        return self.root / relative


def folder_for(job: Job) -> Folder:
    """The folder of the job's project: that which was read with the job, else as it is now."""
    descriptor: Any = vars(Project)["folder"]
    if descriptor.is_cached(job.project):
        with suppress(Folder.DoesNotExist):
            return job.project.folder
    return folder_of(job.project)


def places_of(job: Job) -> Places:
    """The places of the job; nothing is made."""
    root = folder_root(folder_for(job)).resolve()
    return Places(root=root, folder=job.folder_path, outputs=job.outputs_path)


def control_of(attempt: Attempt) -> Inner:
    """The path of the attempt's control directory in the project's directory."""
    return inner(AREA, attempt.pk.hex)


def write_text(root: Path, relative: str, text: str) -> None:
    """The file holds ``text``, whole or not at all; a file of that name gives way."""
    above, _, name = relative.rpartition("/")
    ensure_dir(root, inner("tmp"))
    part = inner("tmp", f"{os.getpid()}-{abs(hash(relative))}-{name}")
    descriptor = open_beneath(root, part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        with plain_errors(relative), os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        rename_beneath(root, part, f"{above}/{name}", replace=True)
    except PortolanError:
        remove_beneath(root, part)
        raise


def write_json(root: Path, relative: str, data: Any) -> None:
    """The file holds ``data`` as readable JSON, whole or not at all."""
    write_text(root, relative, json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def read_json(root: Path, relative: str) -> dict[str, Any] | None:
    """The JSON object in the file; None when it is not there or is something else."""
    if not exists_beneath(root, relative):
        return None
    descriptor = open_beneath(root, relative, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        try:
            found = json.load(stream)
        except ValueError:
            return None
    return found if isinstance(found, dict) else None


def read_head(root: Path, relative: str, size: int) -> str:
    """The first ``size`` bytes of a file as text; empty when it is not there."""
    return _read_part(root, relative, size, from_end=False)


def read_tail(root: Path, relative: str, size: int) -> str:
    """The last ``size`` bytes of a file as text; empty when it is not there."""
    return _read_part(root, relative, size, from_end=True)


def _read_part(root: Path, relative: str, size: int, *, from_end: bool) -> str:
    if not exists_beneath(root, relative):
        return ""
    descriptor = open_beneath(root, relative, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if from_end:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - size))
        return stream.read(size).decode("utf-8", errors="replace")
