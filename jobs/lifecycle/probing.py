"""A probe of a site: what works and what does not, each with what to change. It leaves nothing behind."""

from __future__ import annotations

import shlex
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath

from django.conf import settings
from django.utils import timezone

from common.errors import UserError
from jobs.backends.base import PREFIX, Backend, JobRejected, JobSpec, SiteUnavailable
from jobs.backends.runner import Runner
from jobs.lifecycle.installed import checked_tools, installed
from jobs.lifecycle.site_settings import checked_settings
from jobs.lifecycle.sites import asking, runner_of
from jobs.models import ComputeSite
from jobs.registry import tools
from storage.models import StorageSite

SKEW_SECONDS = 30
CONTENT = b"portolan\n"
_HAS = '{setup}\nfor name; do command -v -- "$name" > /dev/null || echo "$name"; done'


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was tried; ``hint`` says what to change when it is not ``ok``."""

    title: str
    ok: bool
    words: str
    hint: str = ""


def probe(site: ComputeSite) -> list[Check]:
    """The site was tried part by part and its row says what was found; after a broken part those on it are left out."""
    checks: list[Check] = []
    for step in (_row, _reach, _places, _programs, _job):
        found = list(_tried(step, site))
        checks += found
        if not all(one.ok for one in found) and step in (_row, _reach):
            break
    told = {"ok": all(one.ok for one in checks), "checks": [asdict(one) for one in checks]}
    ComputeSite.objects.filter(pk=site.pk).update(probe=told, probed_at=timezone.now())
    return checks


def _tried(step: Callable[[ComputeSite], Iterator[Check]], site: ComputeSite) -> Iterator[Check]:
    """The step's checks; what it stumbles over is a check that failed."""
    try:
        yield from step(site)
    except SiteUnavailable as problem:
        title = (step.__doc__ or "").partition(".")[0]
        yield Check(title=title, ok=False, words=str(problem), hint="See that the site answers from this machine.")


def _row(site: ComputeSite) -> Iterator[Check]:
    """The site's settings."""
    try:
        checked_settings(site.scheduler, site.settings)
        checked_tools(site.tools)
    except UserError as wrong:
        yield Check(title="The site's settings", ok=False, words=wrong.message, hint="Change the site's row.")
    else:
        yield Check(title="The site's settings", ok=True, words="They can be read.")


def _reach(site: ComputeSite) -> Iterator[Check]:
    """Commands and clock."""
    runner = runner_of(site)
    before = time.time()
    said = runner.checked(["date", "+%s"]).strip()
    skew = float(said) - (before + time.time()) / 2 if said.isdigit() else 0.0
    took = time.time() - before
    yield Check(title="Commands", ok=True, words=f"The site answers within {took * 1000:.0f} ms.")
    words = f"The site's clock differs from this machine's by {abs(skew):.0f} s."
    hint = "Let both machines follow the same time server (NTP)."
    good = abs(skew) < SKEW_SECONDS
    yield Check(title="Clock", ok=good, words=words, hint="" if good else hint)


def _places(site: ComputeSite) -> Iterator[Check]:
    """The work root."""
    runner = runner_of(site)
    for root in roots(site):
        yield _writable(runner, root)
    if site.work_root:
        yield from _programs_of(runner, "Programs for copying", ("rsync", "sha256sum", "find"), "")
        return
    for storage in StorageSite.objects.order_by("name"):
        there = runner.exists(Path(storage.root))
        words = f"{storage.root} ({storage.name}) is {'' if there else 'not '}there."
        hint = "" if there else "Mount it at the same path, or give the site a work root so that inputs are copied."
        yield Check(title="Project folders", ok=there, words=words, hint=hint)


def _writable(runner: Runner, root: PurePath) -> Check:
    file = root / f".probe-{uuid.uuid4().hex}"
    title = "The work root"
    try:
        runner.make_dirs(root)
        runner.put(file, CONTENT)
        same = runner.get(file) == CONTENT
        runner.remove(file)
    except SiteUnavailable as problem:
        with suppress(SiteUnavailable):
            runner.remove(file)
        hint = "Make the directory, let the site's user write there, and see that its disk is mounted and has room."
        return Check(title=title, ok=False, words=f"{root} can't be written: {problem}", hint=hint)
    if not same:
        words = f"{root} gives back other bytes than were written."
        return Check(title=title, ok=False, words=words, hint="See to its disk.")
    return Check(title=title, ok=True, words=f"A file was written, read and deleted in {root}.")


def _programs(site: ComputeSite) -> Iterator[Check]:
    """The tools' programs."""
    runner = runner_of(site)
    for info in tools():
        there = installed(site, info.name)
        if site.has_tool(info.name) and not there.wrapper:
            names = tuple(info.tool.base_command[:1]) + info.form.programs
            lines = [f"export {name}={shlex.quote(value)}" for name, value in there.environment.items()]
            yield from _programs_of(runner, info.title, names, "\n".join((*lines, *there.setup)))


def _programs_of(runner: Runner, title: str, names: tuple[str, ...], setup: str) -> Iterator[Check]:
    said = runner.checked(["sh", "-c", _HAS.replace("{setup}", setup), "sh", *names])
    missing = said.split()
    if missing:
        hint = "Install them, say in the site's tools how they are had, or take the tool out there."
        yield Check(title=title, ok=False, words=f"Not found: {', '.join(missing)}.", hint=hint)
    else:
        yield Check(title=title, ok=True, words=f"Found: {', '.join(names)}.")


def _job(site: ComputeSite) -> Iterator[Check]:
    """A probe job."""
    runner, name = runner_of(site), f"{PREFIX}probe-{uuid.uuid4().hex[:26]}"  # some schedulers take 41 letters at most
    place = Path(roots(site)[0]) / f".{name}"
    runner.make_dirs(place)
    try:
        with asking(site) as backend:
            yield _submitted_and_cancelled(backend, _spec(site, name, place))
    finally:
        with suppress(SiteUnavailable):
            runner.remove(place)


def _submitted_and_cancelled(backend: Backend, spec: JobSpec) -> Check:
    title = "A probe job"
    try:
        native_id = backend.submit(spec)
    except JobRejected as refused:
        hint = refused.hint or "Change the queues and options of the site."
        return Check(title=title, ok=False, words=f"It was refused: {refused.message}", hint=hint)
    try:
        known = backend.find(spec.name) is not None
        seen = backend.poll([native_id]).get(native_id)
    finally:
        backend.cancel(native_id)
        backend.forget(native_id)
    if not known:
        hint = "Without finding jobs by name nothing can be handed over safely; see that the user may list its jobs."
        return Check(title=title, ok=False, words="It was taken, but can't be found by its name.", hint=hint)
    word = f" (“{seen.word}”)" if seen else ""
    return Check(title=title, ok=True, words=f"It was taken{word}, found by its name, and cancelled.")


def _spec(site: ComputeSite, name: str, place: Path) -> JobSpec:
    first = site.queues.first()
    return JobSpec(
        name=name,
        argv=["sleep", "600"],
        cwd=place,
        control=place / "control",
        stdout=place / "out",
        stderr=place / "out",
        environment={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        memory_mb=64,
        wall_seconds=700,
        queue=first.name if first else "",
        comment="portolan probe",
    )


def roots(site: ComputeSite) -> list[PurePath]:
    """The directories on the site in which the portal has to write."""
    if site.work_root:
        return [PurePath(site.work_root)]
    if site.scheduler == "local":
        return [Path(settings.PORTOLAN_HOME) / "run" / "probe"]
    return [Path(storage.root) for storage in StorageSite.objects.order_by("name")] or [Path(settings.PORTOLAN_HOME)]
