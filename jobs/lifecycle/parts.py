"""A job that is split: which of its elements an attempt has to run, where each of them is, and what is merged.

Element ``i`` works in ``work-<n>/<i>/`` of the job folder, has ``elements/<i>.stdout.log`` and ``….stderr.log`` there,
and its fence and exit file are in ``.portolan/attempts/<id>/<i>/``; where it is tried again beside the others of its
array, those directories are called ``<i>r<retry>``. When every element is done, a further attempt merges their folders
into ``work-<m>/``, which becomes ``outputs/`` as it does for a job that is not split.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from common.errors import NotFound, UserError
from jobs.backends.base import Backend
from jobs.backends.supervisor import FENCE
from jobs.cwl import Scatter, chunk
from jobs.cwl.scatter import PARTS
from jobs.lifecycle.places import AREA, Places
from jobs.models import Attempt, Element, Job
from jobs.registry import ToolInfo
from jobs.states import Does, ElementState
from storage.paths import Inner, ensure_dir, inner, remove_beneath

LOGS = "elements"


def to_do(job: Job) -> tuple[Does, list[int]]:
    """What the job's next attempt has to do, and the elements it has to run."""
    if not job.elements:
        return Does.ALL, []
    done = set(_done(job))
    left = [index for index in range(job.elements) if index not in done]
    return (Does.ELEMENTS, left) if left else (Does.MERGE, [])


def rows_of(attempt: Attempt, indices: Iterable[int]) -> list[Element]:
    """The elements that the attempt runs, as rows in their places that are in no table yet."""
    return [Element(attempt=attempt, index=index, place=place) for place, index in enumerate(indices)]


def add_rows(rows: Iterable[Element]) -> None:
    """The elements are rows of their attempt, which was saved before."""
    Element.objects.bulk_create(rows, ignore_conflicts=True)


def of_array(attempt: Attempt) -> list[Element]:
    """The elements of the attempt's array in their places, without those that are tried again beside it."""
    return list(attempt.elements.filter(retry=0))


def standing(job: Job) -> list[Element]:
    """The newest row of each element, in the order of the elements; none before the first was handed over."""
    rows = Element.objects.filter(attempt__job=job).select_related("attempt").order_by("attempt__number", "retry")
    newest: dict[int, Element] = {}
    for row in rows:
        row.before = newest.get(row.index)
        newest[row.index] = row
    return [newest[index] for index in sorted(newest)]


def control_of_element(attempt: Attempt, element: Element) -> Inner:
    """The path of the element's control directory in the project's directory."""
    return inner(AREA, attempt.pk.hex, f"{element.index}r{element.retry}" if element.retry else str(element.index))


def work_of_element(attempt: Attempt, element: Element) -> str:
    """Where the element runs and writes, in the project folder."""
    return f"{attempt.work_path}/{element.index:04d}" + (f"r{element.retry}" if element.retry else "")


def log_of_element(job: Job, index: int, name: str) -> str:
    """The path of the element's log in the project folder; ``name`` is that of the job's own log."""
    return f"{job.folder_path}/{LOGS}/{index:04d}.{name}"


def rule_of(info: ToolInfo) -> Scatter:
    """The rule by which a job of the tool was split; UserError when the tool has none any more."""
    if info.scatter is None:
        raise UserError("The tool does not split its jobs any more.", code="tool_changed", hint="Run it again.")
    return info.scatter


def element_order(job: Job, info: ToolInfo, index: int) -> dict[str, Any]:
    """The job order of one element: the job's, with its own run of the files."""
    over = rule_of(info).over
    return {**job.job_order, over: chunk(job.job_order[over], job.elements, index)}


def merge_order(job: Job, info: ToolInfo) -> dict[str, Any]:
    """The job order of the merge: the elements' folders in order, and the job's inputs that it asks for."""
    wanted = {one.name for one in rule_of(info).merge.inputs}
    done = _done(job)
    rows = [done[index] for index in range(job.elements)]
    parts = [{"class": "Directory", "path": work_of_element(one.attempt, one)} for one in rows]
    return {name: value for name, value in job.job_order.items() if name in wanted} | {PARTS: parts}


def fence(attempt: Attempt, places: Places, elements: Iterable[Element]) -> None:
    """A copy of any of these elements that begins later finds its fence and leaves."""
    for element in elements:
        ensure_dir(places.root, Inner(f"{control_of_element(attempt, element)}/{FENCE}"))


def end(backend: Backend, attempt: Attempt) -> None:
    """The site was asked to end whatever of the attempt it has; SiteUnavailable when it can't be."""
    if attempt.does != Does.ELEMENTS:
        backend.cancel(attempt.native_id)
        return
    backend.cancel_array(attempt.native_name, [one.native_id for one in of_array(attempt) if one.native_id])
    for native_id in beside(backend, attempt):
        backend.cancel(native_id)


def beside(backend: Backend, attempt: Attempt) -> list[str]:
    """The native ids of the elements that are tried again beside the array, as far as the site has them."""
    rows = attempt.elements.filter(retry__gt=0, exit_code=None, signal=None)
    found = [one.native_id or backend.find(one.native_name) for one in rows]
    return [native_id for native_id in found if native_id]


def native_ids(attempt: Attempt) -> list[str]:
    """The ids of all the attempt's elements; none before they were handed over."""
    return list(attempt.elements.exclude(native_id="").values_list("native_id", flat=True))


def note_ids(attempt: Attempt, found: Sequence[str]) -> None:
    """Each element of the array has its native id."""
    rows = of_array(attempt)
    for row, native_id in zip(rows, found, strict=True):
        row.native_id = native_id
    Element.objects.bulk_update(rows, ["native_id"])


def look_again(attempt: Attempt) -> None:
    """Elements that failed without an exit code are open again: it may have arrived since."""
    silent = attempt.elements.filter(state=ElementState.FAILED, exit_code=None, signal=None)
    silent.update(state=ElementState.RUNNING, failure={})


def drop_all(job: Job) -> None:
    """What was done of the elements is not wanted any more: the job begins anew with all of them."""
    mine = Element.objects.filter(attempt__job=job)
    mine.exclude(state=ElementState.DROPPED).update(state=ElementState.DROPPED)


def drop_work(job: Job, places: Places) -> None:
    """The folders in which the elements worked are gone; their results are in the job's outputs."""
    for attempt in job.attempts.filter(does=Does.ELEMENTS) if job.elements else ():
        attempt.job = job
        with suppress(NotFound):
            remove_beneath(places.root, attempt.work_path)


def _done(job: Job) -> dict[int, Element]:
    """The row of each element that is done, with its attempt."""
    rows = Element.objects.filter(attempt__job=job, state=ElementState.DONE).select_related("attempt")
    found = {}
    for row in rows:
        row.attempt.job = job
        found[row.index] = row
    return found
