"""Native ids that say whose they are: ``<the scheduler's number>:<native name>``.

Schedulers begin their numbers again (a new spool, a restored controller), so a number alone may be another job. And a
submit whose answer was lost may have left two jobs of one name: the one that runs counts, the other met its fence.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobs.backends.base import PREFIX, NativeObservation, Phase

# What tells most about the attempt, when several jobs have its name.
_WEIGHT = {Phase.RUNNING: 4, Phase.QUEUED: 3, Phase.ENDED: 2, Phase.LOST: 1, Phase.UNKNOWN: 0}


def join(number: str, name: str) -> str:
    """The native id of the job with this number and name."""
    return f"{number}:{name}"


def split(native_id: str) -> tuple[str, str]:
    """The number and the name of a native id; the number is "" when it has none."""
    number, colon, name = native_id.partition(":")
    return (number, name) if colon else ("", native_id)


def weightiest(seen: Iterable[NativeObservation]) -> NativeObservation | None:
    """The observation that counts for an attempt; None when there is none."""
    return max(seen, key=lambda one: _WEIGHT[one.phase], default=None)


def matched(wanted: Iterable[str], seen: Iterable[NativeObservation], mark: str) -> dict[str, NativeObservation]:
    """Observations by the native ids that were asked for: same name, and of an array the same element.

    ``mark`` stands before an element's index in the scheduler's number.
    """
    known: dict[tuple[str, str], list[NativeObservation]] = {}
    for one in seen:
        number, name = split(one.native_id)
        known.setdefault((name, number.partition(mark)[2]), []).append(one)
    found = {}
    for native_id in wanted:
        number, name = split(native_id)
        best = weightiest(known.get((name, number.partition(mark)[2]), []))
        if best is not None:
            found[native_id] = best
    return found


def unfinished(seen: Iterable[NativeObservation]) -> dict[str, NativeObservation]:
    """Those of ours that have not ended, by their native names; what an unknown word says may still run."""
    found: dict[str, list[NativeObservation]] = {}
    for one in seen:
        name = split(one.native_id)[1]
        if name.startswith(PREFIX) and one.phase in (Phase.QUEUED, Phase.RUNNING, Phase.UNKNOWN):
            found.setdefault(name, []).append(one)
    return {name: max(several, key=lambda one: _WEIGHT[one.phase]) for name, several in found.items()}
