"""Operators see where database, scheduler and disk differ, and mend it; every repair is in the trail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from accounts.models import User
from accounts.operators import check_operator
from common.errors import PortolanError
from jobs.backends.base import SiteUnavailable
from jobs.lifecycle.sidebyside import Difference, differences, leftovers
from jobs.models import ComputeSite
from projects.audit import record
from projects.models import Project


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """What differs; ``mended`` what was put right, ``problems`` what could not be asked or mended, in words."""

    differences: list[Difference] = field(default_factory=list)
    mended: list[Difference] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def reconcile(user: User | None, *, site: str = "", repair: bool = False) -> Reconciled:
    """What differs at all sites, or at one; with ``repair`` what can be mended was. No ``user``: the command line."""
    if user is not None:
        check_operator(user)
    sites = ComputeSite.objects.filter(name=site) if site else ComputeSite.objects.order_by("name")
    found: list[Difference] = []
    problems = []
    for one in sites:
        try:
            found += differences(one)
        except (SiteUnavailable, PortolanError) as problem:
            problems.append(f"{one.name}: {problem}")
    found += [] if site else leftovers()
    mended = list(_mended(user, found, problems)) if repair else []
    return Reconciled(differences=found, mended=mended, problems=problems)


def _mended(user: User | None, found: Iterable[Difference], problems: list[str]) -> Iterable[Difference]:
    for one in found:
        if one.mend is None:
            continue
        try:
            one.mend()
        except (SiteUnavailable, PortolanError) as problem:
            problems.append(f"{one.about}: {problem}")
            continue
        project = Project.objects.filter(pk=one.project_id).first() if one.project_id else None
        record(project, user, "job.reconciled", one.about, kind=one.kind, site=one.site, repair=one.repair)
        yield one
