"""A canary: a small real job on a site, watched until it has ended, that tells how jobs fare there. It goes on its own.

The site's row keeps it: ``{"name", "place"}`` from before it is handed over, ``native_id`` and ``word`` while it is
there, then ``{"ok", "words", "hint", "seconds"}``. ``ok`` is null when it did not begin in time: a full queue is no
failure. Directories that could not be removed are named by ``left`` and removed with the next canary.
"""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any

from django.db.models import Q
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


def due() -> list[uuid.UUID]:
    """The sites whose canary is under way, or which should get one now; those that are switched off get none."""
    now = timezone.now()
    begin = Q(canary_at__isnull=True) | Q(canary_at__lt=now - EVERY)
    begin |= Q(canary__ok=False, canary_at__lt=now - SICK_EVERY)
    rows = ComputeSite.objects.filter(Q(canary__has_key="name") | (Q(enabled=True) & begin))
    return list(rows.values_list("pk", flat=True))


def tend(site_id: uuid.UUID | str, *, now: bool = False) -> None:
    """The site's canary was looked at; where none was under way and one was due, or wanted ``now``, it has begun."""
    site = ComputeSite.objects.get(pk=site_id)
    with only_one(uuid.uuid5(site.pk, "canary")) as mine:
        if not mine:
            return
        site.refresh_from_db()
        if "name" in site.canary:
            _look(site)
        elif now or site.pk in due():
            _begin(site)


def _begin(site: ComputeSite) -> None:
    """The row says what is about to be handed over; then the site has it, unless it refused it or did not answer."""
    name = f"{PREFIX}probe-{uuid.uuid4().hex[:26]}"
    place = str(Path(roots(site)[0]) / f".{name}")
    last = site.canary
    told = {"name": name, "place": place, "left": _removed(site, last.get("left", []))}
    # Until it has ended, what the last one found still counts.
    _keep(site, told | {f"last_{key}": last.get(key) for key in ("ok", "words", "hint")}, began=True)
    try:
        runner = runner_of(site)
        runner.make_dirs(PurePath(place))
        with asking(site) as backend:
            native_id = backend.submit(_spec(site, name, Path(place)))
    except JobRejected as refused:
        _end(site, ok=False, words=f"It was refused: {refused.message}", hint=refused.hint or "Change the queues.")
    except (SiteUnavailable, UserError) as problem:
        _keep(site, site.canary | {"problem": str(problem)[:500]})  # it may be there all the same
    else:
        _keep(site, site.canary | {"native_id": native_id})


def _look(site: ComputeSite) -> None:
    """What is known of the canary now is in the row; it has ended with its evidence, or with its limit."""
    told = site.canary
    late = timezone.now() - (site.canary_at or timezone.now()) > LIMIT
    try:
        with asking(site) as backend:
            native_id = told.get("native_id") or backend.find(told["name"])
            seen = backend.poll([native_id]).get(native_id) if native_id else None
            ended = _evidence(site, told)
            if ended is None and not late and _may_come(site, backend, seen, native_id):
                return
            if native_id:
                backend.cancel(native_id)
                backend.forget(native_id)
    except (SiteUnavailable, UserError) as problem:
        if late:
            hint = "See that the site answers from this machine, and probe it."
            _end(site, ok=False, words=f"The site did not answer: {problem}", hint=hint)
        return
    if ended is None:
        _end(site, **_without_evidence(told, seen, native_id))
    else:
        _end(site, **_judged(site, told, ended))


def _may_come(site: ComputeSite, backend: Backend, seen: NativeObservation | None, native_id: str | None) -> bool:
    """True while its end, or the evidence of it, may still come; what the site says of it is kept meanwhile."""
    told = site.canary
    now = timezone.now().timestamp()
    gone = seen is None or seen.phase in (Phase.ENDED, Phase.LOST)
    word = seen.word if seen else ""
    began = told.get("began") or (seen is not None and seen.phase is Phase.RUNNING)
    since = told.get("gone_at") or now if gone else None
    news = {"native_id": native_id or "", "word": word, "why": seen.reason if seen else "", "began": bool(began)}
    _keep(site, told | news | {"gone_at": since})
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
    at = ended.get("ended_at")
    seconds = round(max(float(at) - site.canary_at.timestamp(), 0.0), 1) if at and site.canary_at else None
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


def _end(site: ComputeSite, **outcome: Any) -> None:
    """The outcome is in the row, and nothing of the canary is left at the site, or it is named there."""
    place, left = site.canary["place"], _removed(site, [*site.canary["left"], site.canary["place"]])
    if not site.canary.get("native_id") and place not in left:
        left.append(place)  # a submit whose answer was lost may still arrive
    _keep(site, {"seconds": None, "hint": "", **outcome, "left": left})


def _removed(site: ComputeSite, places: list[str]) -> list[str]:
    """Those of the directories that could not be removed."""
    left = []
    for place in places:
        try:
            runner_of(site).remove(PurePath(place))
        except (SiteUnavailable, UserError):
            left.append(place)
    return left


def _keep(site: ComputeSite, told: dict[str, Any], *, began: bool = False) -> None:
    changes: dict[str, Any] = {"canary": told}
    if began:
        changes["canary_at"] = timezone.now()
    ComputeSite.objects.filter(pk=site.pk).update(**changes)
    for name, value in changes.items():
        setattr(site, name, value)


def _spec(site: ComputeSite, name: str, place: Path) -> JobSpec:
    """It says a word and where it is, after the commands that come first for all tools."""
    first, had = site.queues.first(), installed(site, "*")
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
        queue=first.name if first else "",
        comment="portolan canary",
    )
