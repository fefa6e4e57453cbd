"""Which site runs a job, and why, in words."""

from __future__ import annotations

import os
from dataclasses import dataclass

from common.errors import Unavailable, UserError
from jobs.models import ComputeSite
from jobs.registry import ToolInfo

LEFT_FOR_THE_REST_MB = 1024


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Where a job is to run and with what; ``reasons`` says why, a sentence each."""

    site: ComputeSite
    cores: int
    memory_mb: int
    reasons: list[str]


def ensure_local_site() -> ComputeSite:
    """There is a compute site; the first one is this machine, with all its cores and most of its memory."""
    site = ComputeSite.objects.order_by("created_at").first()
    if site is None:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        memory = max(whole - LEFT_FOR_THE_REST_MB, whole // 2)
        cores = len(os.sched_getaffinity(0))
        site, _ = ComputeSite.objects.get_or_create(name="local", defaults={"cores": cores, "memory_mb": memory})
    return site


def choose(tool: ToolInfo, *, site: str | None, cores: int | None, memory_mb: int | None) -> Choice:
    """The site for a job; UserError beside ``site``, ``cores`` or ``memory_mb`` where what is asked can't be had."""
    found, reason = _site(site)
    least = tool.tool.requirement("ResourceRequirement") or {}
    wanted_cores = cores or tool.form.queue.cores or _number(least.get("coresMin")) or 1
    wanted_memory = memory_mb or tool.form.queue.memory_mb or _number(least.get("ramMin")) or 1024
    reasons = [reason]
    if cores is None and wanted_cores > found.cores:
        reasons.append(f"The tool would like {wanted_cores} cores; {found.name} has {found.cores}.")
        wanted_cores = found.cores
    if memory_mb is None and wanted_memory > found.memory_mb:
        reasons.append(f"The tool would like {wanted_memory} MB of memory; {found.name} has {found.memory_mb} MB.")
        wanted_memory = found.memory_mb
    _check("cores", wanted_cores, found.cores, f"{found.name} has {found.cores} cores.")
    _check("memory_mb", wanted_memory, found.memory_mb, f"{found.name} has {found.memory_mb} MB of memory.")
    return Choice(site=found, cores=wanted_cores, memory_mb=wanted_memory, reasons=reasons)


def _site(name: str | None) -> tuple[ComputeSite, str]:
    if name:
        found = ComputeSite.objects.filter(name=name).first()
        if found is None:
            raise UserError(f"There is no compute site “{name}”.", code="unknown_site", field="site")
        if not found.enabled:
            raise UserError(f"The site “{name}” takes no jobs now.", code="site_disabled", field="site")
        return found, f"{found.name}: chosen by you."
    ensure_local_site()
    found = ComputeSite.objects.filter(enabled=True).order_by("created_at").first()
    if found is None:
        raise Unavailable("No compute site takes jobs now.", code="no_site", hint="Ask the operator.")
    return found, f"{found.name}: the first site that takes jobs."


def _check(field: str, wanted: int, most: int, words: str) -> None:
    if not 1 <= wanted <= most:
        raise UserError(f"{words} Ask for 1 to {most}.", code="too_large", field=field)


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
