"""Database, scheduler and disk side by side: where they differ, why, and what mends it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from common.errors import NotFound, PortolanError
from jobs.backends import natives
from jobs.backends.base import PREFIX, NativeObservation, SiteUnavailable
from jobs.backends.supervisor import EXIT_FILE
from jobs.lifecycle import gathering, staging
from jobs.lifecycle.places import AREA, places_of, read_json
from jobs.lifecycle.sites import asking, runner_of
from jobs.lifecycle.starting import hand_over
from jobs.lifecycle.watching import AT_SITE, observe
from jobs.models import Attempt, ComputeSite, Job
from jobs.states import FINAL, Does, JobState
from storage.models import Folder
from storage.paths import HIDDEN, inner, remove_beneath
from storage.services.folders import folder_root

MOST = 1000
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing on which database, scheduler and disk don't agree. Without ``mend`` a person has to decide."""

    kind: str
    site: str
    about: str
    database: str
    scheduler: str
    disk: str
    words: str
    repair: str = ""
    project_id: UUID | None = None
    mend: Callable[[], None] | None = field(default=None, repr=False, compare=False)


def differences(site: ComputeSite) -> list[Difference]:
    """All differences of the site's jobs; SiteUnavailable when it can't be asked."""
    with asking(site) as backend:
        listed = backend.listed()
        open_ones = list(_attempts(site).filter(job__state__in=AT_SITE, ended_at__isnull=True))
        known = backend.poll([native_id for one in open_ones for native_id in _ids_of(one)])
        found = [*_lost(site, open_ones, known)]
        if listed is not None:
            found += _strangers(site, listed)
        found += _without_id(site)
    found += _copies(site)
    return found


def leftovers() -> list[Difference]:
    """Control directories in project folders that belong to no attempt."""
    found = []
    for folder in Folder.objects.select_related("project", "site"):
        root = folder_root(folder)
        area = root / HIDDEN / AREA
        names = [one.name for one in area.iterdir()] if area.is_dir() else []
        known = {
            one.hex
            for one in Attempt.objects.filter(pk__in=filter(None, map(_uuid, names))).values_list("pk", flat=True)
        }
        for name in sorted(set(names) - known)[:MOST]:
            found.append(
                Difference(
                    kind="stray_control", site="", about=f"{folder.project.name}: {HIDDEN}/{AREA}/{name}",
                    database="no such attempt", scheduler="–", disk="a control directory",
                    words="Left from a copied or restored folder, or from a database that was restored to before it.",
                    repair="Remove the directory.", project_id=folder.project_id,
                    mend=_remover(root, name),
                )
            )  # fmt: skip
    return found


def _attempts(site: ComputeSite) -> QuerySet[Attempt]:
    return Attempt.objects.filter(site=site).select_related("job__project", "job__submitted_by", "site")


def _lost(site: ComputeSite, attempts: list[Attempt], known: dict[str, NativeObservation]) -> Iterator[Difference]:
    """Jobs that are under way here and that the scheduler does not know."""
    for attempt in attempts:
        ids = _ids_of(attempt)
        if not ids or any(one in known for one in ids):
            continue
        ended = _left_exit_file(attempt)
        yield Difference(
            kind="ended_unseen" if ended else "vanished", site=site.name, about=_named(attempt.job),
            database=attempt.job.job_state.label, scheduler="does not know it",
            disk="it has ended" if ended else "no exit code",
            words="It ended while nobody was asking." if ended else
            "The scheduler forgot it, and it left no exit code: it may still run, or its node is gone.",
            repair="Collect its results." if ended else "", project_id=attempt.job.project_id,
            mend=(lambda: _observed(site)) if ended else None,
        )  # fmt: skip


def _strangers(site: ComputeSite, listed: dict[str, NativeObservation]) -> Iterator[Difference]:
    """Jobs in the scheduler that no row stands behind, or whose row has ended."""
    keys = {name: _uuid(name.removeprefix(PREFIX).partition("-")[0]) for name in listed}
    rows = {one.pk: one for one in _attempts(site).filter(pk__in=[key for key in keys.values() if key])}
    for name, seen in listed.items():
        key = keys[name]
        attempt = rows.get(key) if key else None
        if attempt is None:
            if not name.startswith(f"{PREFIX}probe-"):
                yield _orphan(site, name, seen)
        elif attempt.job.job_state in FINAL or attempt.ended_at is not None:
            yield Difference(
                kind="still_there", site=site.name, about=_named(attempt.job),
                database=attempt.job.job_state.label, scheduler=seen.word, disk="–",
                words="Its attempt is over, but the scheduler still has it.",
                repair="Cancel it in the scheduler.", project_id=attempt.job.project_id,
                mend=_canceller(site, seen.native_id),
            )  # fmt: skip
        elif not attempt.native_id:
            yield Difference(
                kind="to_adopt", site=site.name, about=_named(attempt.job),
                database=attempt.job.job_state.label, scheduler=seen.word, disk="–",
                words="The scheduler took it, but its answer was lost.",
                repair="Adopt it.", project_id=attempt.job.project_id, mend=_adopter(attempt, seen.native_id),
            )  # fmt: skip


def _orphan(site: ComputeSite, name: str, seen: NativeObservation) -> Difference:
    words = "No attempt has this name: from another portal, or from a database that was restored to before it."
    return Difference(kind="orphan", site=site.name, about=name, database="no such attempt", scheduler=seen.word,
                      disk="–", words=words, repair="Cancel it in the scheduler.",
                      mend=_canceller(site, seen.native_id))  # fmt: skip


def _without_id(site: ComputeSite) -> Iterator[Difference]:
    """Attempts that look handed over but have no native id."""
    odd = _attempts(site).filter(native_id="", job__state__in=(JobState.QUEUED, JobState.RUNNING), ended_at=None)
    for attempt in odd[:MOST]:
        yield Difference(kind="no_id", site=site.name, about=_named(attempt.job), database=attempt.job.job_state.label,
                         scheduler="not asked for", disk="–", project_id=attempt.job.project_id,
                         words="The row says that it was handed over, but not as what. Cancel it.")  # fmt: skip


def _copies(site: ComputeSite) -> Iterator[Difference]:
    """Directories below the work root that belong to no attempt, or to one whose results are at home."""
    if not site.work_root:
        return
    said = runner_of(site).checked(
        ["find", site.work_root, "-mindepth", "1", "-maxdepth", "1", "-type", "d", "-print0"]
    )
    names = {PurePosixPath(path).name for path in said.split("\0") if path}
    keys = {name: key for name in names if (key := _uuid(name))}
    rows = {one.pk: one for one in _attempts(site).filter(pk__in=list(keys.values()))}
    for name, key in sorted(keys.items()):
        attempt = rows.get(key)
        if attempt is not None and not (attempt.job.job_state in FINAL and attempt.exit_code is not None):
            continue
        about = _named(attempt.job) if attempt else name
        state = attempt.job.job_state.label if attempt else "no such attempt"
        words = "Copies that nothing needs any more are on the site."
        if attempt is None:
            words = "Copies of no attempt of ours: from another portal, or from before the database was restored."
        yield Difference(kind="copies_left", site=site.name, about=about, database=state, scheduler="–",
                         disk=f"{site.work_root}/{name}", words=words,
                         repair="Remove them." if attempt else "",
                         project_id=attempt.job.project_id if attempt else None,
                         mend=_cleaner(site, name) if attempt else None)  # fmt: skip


def _ids_of(attempt: Attempt) -> list[str]:
    """What the attempt is asked for by: of an array the elements that have not ended."""
    if attempt.does != Does.ELEMENTS:
        return [attempt.native_id] if attempt.native_id else []
    return [one.native_id for one in gathering.to_ask_for([attempt])]


def _left_exit_file(attempt: Attempt) -> bool:
    with suppress(SiteUnavailable, PortolanError):
        places = places_of(attempt.job)
        if attempt.does == Does.ELEMENTS:
            return any(gathering.has_ended(attempt, one) for one in gathering.to_ask_for([attempt]))
        here = read_json(places.root, inner(AREA, attempt.pk.hex, EXIT_FILE)) is not None
        return here or (attempt.staged and staging.ended(attempt))
    return False


def _named(job: Job) -> str:
    return f"{job.project.name} #{job.number} {job.tool}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(hex=text)
    except ValueError:
        return None


# --- mending


def _observed(site: ComputeSite) -> None:
    observe(site)


def _canceller(site: ComputeSite, native_id: str) -> Callable[[], None]:
    """By name, which ends all elements of an array."""

    def mend() -> None:
        with asking(site) as backend:
            backend.cancel(natives.split(native_id)[1])

    return mend


def _adopter(attempt: Attempt, native_id: str) -> Callable[[], None]:
    def mend() -> None:
        if attempt.does == Does.ELEMENTS:
            hand_over(attempt.job)  # which looks for the whole array before it submits anything
            return
        now = timezone.now()
        Attempt.objects.filter(pk=attempt.pk, native_id="").update(native_id=native_id, submitted_at=now)
        if attempt.job.job_state is JobState.SUBMITTING:
            attempt.job.move_to(JobState.QUEUED, reason="Found in the scheduler by its name.")

    return mend


def _remover(root: Path, name: str) -> Callable[[], None]:
    def mend() -> None:
        with suppress(NotFound):
            remove_beneath(root, inner(AREA, name))

    return mend


def _cleaner(site: ComputeSite, name: str) -> Callable[[], None]:
    def mend() -> None:
        runner_of(site).remove(PurePosixPath(site.work_root) / name)

    return mend
