"""Where a job is to run: what it asks for, whole or split, goes to the broker."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from jobs import broker
from jobs.lifecycle.sites import with_arrays
from jobs.registry import ToolInfo
from jobs.requests import size_of, split, wanted
from storage.models import Folder
from storage.services.folders import folder_root


def placed(
    user: User,
    info: ToolInfo,
    folder: Folder,
    order: dict[str, Any],
    *,
    site: str | None = None,
    queue: str | None = None,
    without: str = "",
    stays: tuple[str, str] | None = None,
    **given: int | None,
) -> broker.Choice:
    """The broker's choice for a job with these inputs; ``given`` are cores, memory_mb and wall_seconds as asked for."""
    root = folder_root(folder)
    whole = wanted(info, order, root, **given)
    parts = split(info, order, root, whole, **given)
    ask = broker.Ask(
        tool=info,
        user=user,
        storage=folder.site,
        wanted=whole,
        bytes=size_of(order)[1],
        site=site,
        queue=queue,
        without=without,
        stays=stays,
        split=parts,
        arrays=with_arrays() if parts is not None else frozenset(),
    )
    return broker.choose(ask)
