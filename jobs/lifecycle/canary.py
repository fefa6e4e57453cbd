"""A canary: a small real job in a queue, watched to its end, that tells how jobs fare there. It goes on its own.

The site's row keeps one for each queue, by its name: ``{"at", "name", "place", "last"}`` from before it is handed over,
``native_id`` and ``word`` while it is there, then ``{"at", "ok", "words", "hint", "seconds", "ended_at"}``. ``ok`` is
null when it did not begin in time: a full queue is no failure. ``last`` is how the one before ended, which counts until
this one has. Directories that could not be removed are named by ``left`` and removed with the next canary.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import Any

from django.utils import timezone

from common.errors import UserError
from jobs.backends.base import PREFIX, Backend, JobRejected, JobSpec, NativeObservation, Phase, SiteUnavailable
from jobs.backends.supervisor import EXIT_FILE
from jobs.lifecycle.installed import installed
from jobs.lifecycle.locks import only_one
from jobs.lifecycle.probing import roots
from jobs.lifecycle.sites import asking, runner_of
from jobs.models import ComputeSite

EVERY = timedelta(hours=1)
SICK_EVERY = timedelta(minutes=10)
LIMIT = timedelta(minutes=30)
WALL_SECONDS = 300
SAYS = "portolan"
ENDED = ("ok", "words", "hint", "seconds", "ended_at")


def due() -> list[uuid.UUID]:
    """The sites with a canary under way, or a queue that should get one now; those that are switched off get none."""
    sites = ComputeSite.objects.prefetch_related("queues")
    return [site.pk for site in sites if _under_way(site) or any(_due(site, queue) for queue in site.queue_names)]


def tend(site_id: uuid.UUID | str, *, now: bool = False) -> None:
    """The site's canaries were looked at; in each queue without one that was due, or wanted ``now``, one has begun."""
    site = ComputeSite.objects.get(pk=site_id)
    with only_one(uuid.uuid5(site.pk, "canary")) as mine:
        if not mine:
            return
        site.refresh_from_db()
        looked_at = _under_way(site)
        for queue in looked_at:
            _look(site, queue)
        for queue in site.queue_names:
            if queue not in looked_at and (now or _due(site, queue)):
                _begin(site, queue)


def _under_way(site: ComputeSite) -> list[str]:
    """The queues, with those that the site has no more, whose canary has begun and is not known to have ended."""
    return [queue for queue, told in site.canaries.items() if "name" in told]


def _due(site: ComputeSite, queue: str) -> bool:
    canary = site.canary_of(queue)
    if not site.enabled or canary.under_way:
        return False
    return canary.at is None or timezone.now() - canary.at > (SICK_EVERY if canary.failed else EVERY)


def _begin(site: ComputeSite, queue: str) -> None:
    """The row says what is about to be handed over; then the site has it, unless it refused it or did not answer."""
    name = f"{PREFIX}probe-{uuid.uuid4().hex[:26]}"
    place = str(Path(roots(site)[0]) / f".{name}")
    gone = [one for one in site.canaries if one not in site.queue_names and one not in _under_way(site)]
    last = site.canaries.get(queue, {})
    left = [path for one in (queue, *gone) for path in site.canaries.get(one, {}).get("left", [])]
    told: dict[str, Any] = {
        "at": timezone.now().isoformat(),
        "name": name,
        "place": place,
        "left": _removed(site, left),
    }
    # Until it has ended, what the last one found still counts.
    told["last"] = {key: last[key] for key in ENDED if key in last}
    _keep(site, queue, told, without=gone)
    try:
        runner_of(site).make_dirs(PurePath(place))
        with asking(site) as backend:
            native_id = _submitted(site, backend, queue)
    except JobRejected as refused:
        words = f"It was refused: {refused.message}"
        _end(site, queue, ok=False, words=words, hint=refused.hint or "Change the queues.")
    except (SiteUnavailable, UserError) as problem:
        # It may be there all the same.
        _keep(site, queue, site.canaries[queue] | {"problem": str(problem)[:500]})
    else:
        _keep(site, queue, site.canaries[queue] | {"native_id": native_id})


def _submitted(site: ComputeSite, backend: Backend, queue: str) -> str:
    """Its native id. Where the queue has GPUs and refuses a job that uses none, it asks for one."""
    told = site.canaries[queue]
    spec = _spec(site, queue, told["name"], Path(told["place"]))
    try:
        return backend.submit(spec)
    except JobRejected:
        if not site.queues.filter(name=queue, gpus__gt=0).exists():
            raise
        return backend.submit(replace(spec, gpus=1))


def _look(site: ComputeSite, queue: str) -> None:
    """What is known of the canary now is in the row; it has ended with its evidence, or with its limit."""
    told = site.canaries[queue]
    late = timezone.now() - (site.canary_of(queue).at or timezone.now()) > LIMIT
    try:
        with asking(site) as backend:
            native_id = told.get("native_id") or backend.find(told["name"])
            seen = backend.poll([native_id]).get(native_id) if native_id else None
            ended = _evidence(site, told)
            if ended is None and not late and _may_come(site, queue, backend, seen, native_id):
                return
            if native_id:
                backend.cancel(native_id)
                backend.forget(native_id)
    except (SiteUnavailable, UserError) as problem:
        if late:
            hint = "See that the site answers from this machine, and probe it."
            _end(site, queue, ok=False, words=f"The site did not answer: {problem}", hint=hint)
        return
    if ended is None:
        _end(site, queue, **_without_evidence(told, seen, native_id))
    else:
        _end(site, queue, **_judged(site, told, ended))


def _may_come(
    site: ComputeSite, queue: str, backend: Backend, seen: NativeObservation | None, native_id: str | None
) -> bool:
    """True while its end, or the evidence of it, may still come; what the site says of it is kept meanwhile."""
    told = site.canaries[queue]
    now = timezone.now().timestamp()
    gone = seen is None or seen.phase in (Phase.ENDED, Phase.LOST)
    word = seen.word if seen else ""
    began = told.get("began") or (seen is not None and seen.phase is Phase.RUNNING)
    since = told.get("gone_at") or now if gone else None
    news = {"native_id": native_id or "", "word": word, "why": seen.reason if seen else "", "began": bool(began)}
    _keep(site, queue, told | news | {"gone_at": since})
    return since is None or now - since < backend.evidence_seconds


def _evidence(site: ComputeSite, told: dict[str, Any]) -> dict[str, Any] | None:
    """Its exit file; None while there is none."""
    content = runner_of(site).get(PurePath(told["place"]) / "control" / EXIT_FILE)
    try:
        found = json.loads(content or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _judged(site: ComputeSite, told: dict[str, Any], ended: dict[str, Any]) -> dict[str, Any]:
    """What its exit file and its output say."""
    at, sent = ended.get("ended_at"), told.get("at")
    seconds = round(max(float(at) - datetime.fromisoformat(sent).timestamp(), 0.0), 1) if at and sent else None
    out = _output(site, told)
    if ended.get("exit_code") == 0 and SAYS in out:
        node = out.partition(SAYS)[2].strip()
        return {"ok": True, "words": f"It ran{f' on {node}' if node else ''} and ended well.", "seconds": seconds}
    if ended.get("exit_code") == 0:
        words = f"It ended well, but its output is not there: {out.strip()[-200:] or 'nothing'}."
        return {
            "ok": False,
            "words": words,
            "seconds": seconds,
            "hint": "See to the disk of the work root on the nodes.",
        }
    how = f"signal {ended['signal']}" if ended.get("signal") else f"status {ended.get('exit_code')}"
    said = _output(site, told, "err").strip() or out.strip()
    words = f"It ended with {how}. It said: {said[-300:] or 'nothing'}"
    return {"ok": False, "words": words, "seconds": seconds, "hint": "See to the node, and to the site's tool setup."}


def _output(site: ComputeSite, told: dict[str, Any], name: str = "out") -> str:
    with suppress(SiteUnavailable):
        return (runner_of(site).get(PurePath(told["place"]) / name) or b"").decode(errors="replace")
    return ""


def _without_evidence(told: dict[str, Any], seen: NativeObservation | None, native_id: str | None) -> dict[str, Any]:
    """What is to be said of one that left no exit file."""
    minutes = int(LIMIT.total_seconds() // 60)
    if not native_id:
        words = f"It could not be handed over. {told.get('problem', '')}".strip()
        return {"ok": False, "words": words, "hint": "See that the site answers from this machine, and probe it."}
    if seen is not None and seen.phase is Phase.QUEUED:
        why = f": {seen.reason}" if seen.reason else ""
        return {"ok": None, "words": f"It waited {minutes} minutes in the queue and did not begin{why}."}
    if seen is not None and seen.phase is Phase.RUNNING:
        return {"ok": False, "words": f"It did not end within {minutes} minutes.", "hint": "See to the node it is on."}
    said = f"The site said “{seen.word}”. {seen.reason}".strip() if seen else "The site does not know it any more."
    hint = "See that the nodes can write in the work root, and why the scheduler ended it."
    return {"ok": False, "words": f"It ended and left no exit file. {said}", "hint": hint}


def _end(site: ComputeSite, queue: str, **outcome: Any) -> None:
    """The outcome is in the row, and nothing of the canary is left at the site, or it is named there."""
    told = site.canaries[queue]
    place, left = told["place"], _removed(site, [*told["left"], told["place"]])
    if not told.get("native_id") and place not in left:
        left.append(place)  # a submit whose answer was lost may still arrive
    times = {"at": told.get("at"), "ended_at": timezone.now().isoformat()}
    _keep(site, queue, {"seconds": None, "hint": "", **outcome, **times, "left": left})


def _removed(site: ComputeSite, places: list[str]) -> list[str]:
    """Those of the directories that could not be removed."""
    left = []
    for place in places:
        try:
            runner_of(site).remove(PurePath(place))
        except (SiteUnavailable, UserError):
            left.append(place)
    return left


def _keep(site: ComputeSite, queue: str, told: dict[str, Any], *, without: Iterable[str] = ()) -> None:
    """The row says so of the queue, and no more of those named by ``without``; only the lock's holder writes it."""
    site.canaries = {one: kept for one, kept in site.canaries.items() if one not in without} | {queue: told}
    ComputeSite.objects.filter(pk=site.pk).update(canaries=site.canaries)


def _spec(site: ComputeSite, queue: str, name: str, place: Path) -> JobSpec:
    """It says a word and where it is, after the commands that come first for all tools."""
    had = installed(site, "*")
    path = site.settings.get("path") or "/usr/local/bin:/usr/bin:/bin"
    return JobSpec(
        name=name,
        argv=["sh", "-c", f"echo {SAYS}; uname -n"],
        cwd=place,
        control=place / "control",
        stdout=place / "out",
        stderr=place / "err",
        environment={"PATH": path},
        setup=had.setup,
        memory_mb=64,
        wall_seconds=WALL_SECONDS,
        queue=queue,
        comment="portolan canary",
    )
