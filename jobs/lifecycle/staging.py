"""Copies for sites that don't share the project's folder: inputs go there first, everything comes home after.

Below the site's work root an attempt has a directory of its own, in which the project's folder is mirrored as far as
the job needs it: ``<work root>/<attempt>/folder/…`` with the declared inputs, the job's folder and its control
directory, and ``…/tools/`` with the tool's own files. What comes home lands at the same paths here, so that whatever
looks at a running or ended job looks at one place only.

Copies are made by rsync as an argv list, over the same pinned ssh as the site's commands. They can be repeated, cut,
or run twice at once: a file gets its name when it is whole, and what counts in the end are SHA-256 sums of both sides.
Links are never copied, so an output that points to somewhere else does not come home.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from django.utils import timezone

from common.errors import UserError
from jobs.backends.base import JobSpec, SiteUnavailable
from jobs.backends.runner import Runner
from jobs.backends.supervisor import EXIT_FILE, FENCE
from jobs.cwl import CommandLine
from jobs.cwl.model import all_files_in
from jobs.lifecycle.locks import copying
from jobs.lifecycle.parts import LOGS
from jobs.lifecycle.places import Places, control_of, folder_for
from jobs.lifecycle.points import reached
from jobs.lifecycle.site_settings import machine_of
from jobs.lifecycle.sites import runner_of
from jobs.lifecycle.sums import SUM_SECONDS, digests
from jobs.models import Attempt, ComputeSite, Job
from jobs.registry import ToolInfo
from jobs.states import Does
from storage import sums
from storage.paths import ensure_dir

# The longest that rsync goes on at once, and that a look at a running job takes.
SLICE_SECONDS, LOOK_SECONDS = 600, 60
PAUSE_SECONDS = 30
# Wanted first (the others are still there): processors have instructions for it, so long copies take a quarter less.
CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
# The checksum of a smaller file is sooner computed than looked up.
LARGE_BYTES = 2**20
PARTS = ".portolan-parts"
PUT_BACK = "Put it back, then run the job again."
# rsync: 11 writing failed, 23 and 24 some files could not be read or went away while they were copied.
NO_ROOM, PARTIAL = 11, (23, 24)


@dataclass(frozen=True, kw_only=True)
class There:
    """Where an attempt is on its site."""

    base: PurePosixPath
    runner: Runner

    @property
    def folder(self) -> PurePosixPath:
        """The mirror of the project's folder."""
        return self.base / "folder"

    @property
    def tools(self) -> PurePosixPath:
        """The tool's own files."""
        return self.base / "tools"


def there(attempt: Attempt) -> There:
    """The attempt's places on its site; nothing is made."""
    return There(base=PurePosixPath(attempt.site.work_root) / attempt.pk.hex, runner=runner_of(attempt.site))


# --- paths


def moved(text: str, places: Places, info: ToolInfo, target: There) -> str:
    """``text`` with this machine's directories of the job replaced by those of the site."""
    for own, other in _roots(places, info, target):
        if text == own or text.startswith(f"{own}/"):
            return f"{other}{text[len(own) :]}"
    return text


def moved_word(word: str, places: Places, info: ToolInfo, target: There) -> str:
    """As ``moved`` for a word of a command, where a path may stand behind ``--name=``."""
    name, equals, rest = word.partition("=")
    if equals and rest.startswith("/"):
        return f"{name}={moved(rest, places, info, target)}"
    return moved(word, places, info, target)


def _roots(places: Places, info: ToolInfo, target: There) -> tuple[tuple[str, str], ...]:
    return (str(places.root), str(target.folder)), (str(info.tool.folder.parent), str(target.tools))


# --- the way in


def stage_in(attempt: Attempt, info: ToolInfo, places: Places, *commands: CommandLine) -> None:
    """The site has just the declared inputs of the commands and the tool's files, with the same SHA-256 as here.

    Raises SiteUnavailable when it has to go on later, UserError when an input is not what it was.
    """
    began, target, above = time.monotonic(), there(attempt), info.tool.folder.parent
    files, own = _closure(commands, places, info)
    reached("stage_in.begun")
    for folder in (target.folder / attempt.job.folder_path, target.tools):
        target.runner.make_dirs(folder)
    copied = ((places.root, files, target.folder), (above, own, target.tools))
    here = {f"{goal}/{name}": f"{root}/{name}" for root, names, goal in copied for name in names}
    sizes = {path: os.stat(f"{places.root}/{path}").st_size for path in files}
    large = [path for path in files if sizes[path] >= LARGE_BYTES]
    noted = {str(target.folder / path): known for path, known in sums.known(folder_for(attempt.job), large).items()}
    with copying(), ThreadPoolExecutor(1) as beside:
        # Summed while they are sent: both read the same pages.
        summing = beside.submit(_sums_here, here, noted)
        for root, names, goal in copied:
            if names:
                _copy_there(attempt, root, names, goal)
        reached("stage_in.copied")
        _verify(target, summing.result(), here)
    told = {"files": len(files), "bytes": sum(sizes.values()), "seconds": round(time.monotonic() - began, 3)}
    Attempt.objects.filter(pk=attempt.pk).update(staging=told)
    reached("stage_in.verified")


def _sums_here(here: Mapping[str, str], noted: Mapping[str, str]) -> dict[str, str]:
    """The SHA-256 of each file by its path on the site, read where it was not noted. UserError for one that is gone."""
    try:
        return {copy: noted.get(copy) or _digest(Path(path)) for copy, path in here.items()}
    except FileNotFoundError as gone:
        raise UserError("An input went away while it was copied.", code="input_missing", hint=PUT_BACK) from gone


def send_work(attempt: Attempt, places: Places) -> None:
    """The work and control directories, as they were made here, are on the site, empty of anything older."""
    target = there(attempt)
    roots = [attempt.work_path, str(control_of(attempt))]
    for path in roots:
        target.runner.remove(target.folder / path)
    made = [Path(above) for path in roots for above, _, _ in os.walk(places.path(path))]
    folders = [str(target.folder / one.relative_to(places.root)) for one in made]
    logs = str(target.folder / attempt.job.folder_path / LOGS)
    target.runner.checked(["mkdir", "-p", "--", *folders, *([logs] if attempt.does == Does.ELEMENTS else [])])
    names = [str(path.relative_to(places.root)) for path in _all_files(places.path(attempt.work_path))]
    names += [str(path.relative_to(places.root)) for path in _all_files(places.path(control_of(attempt)))]
    if names:
        _copy_there(attempt, places.root, names, target.folder)


def _closure(commands: Iterable[CommandLine], places: Places, info: ToolInfo) -> tuple[list[str], list[str]]:
    """(input files beneath the project's folder, files of the tool), each once, with all that declared folders hold.

    Links are left out. UserError for a file from anywhere else: nothing but what was declared leaves this machine.
    """
    above = info.tool.folder.parent
    found: dict[str, None] = {}
    own: dict[str, None] = {}
    for command, item in [(one, item) for one in commands for item in all_files_in(one.inputs)]:
        path = Path(str(item.get("path") or ""))
        if path.is_relative_to(command.runtime.outdir) or path.is_relative_to(command.runtime.tmpdir):
            continue
        files = [path] if item["class"] == "File" else list(_all_files(path))
        for root, kept in ((places.root, found), (above, own)):
            if path.is_relative_to(root):
                kept.update((str(one.relative_to(root)), None) for one in files)
                break
        else:
            raise UserError(f"{path.name} is neither in the project nor part of the tool.", code="bad_closure")
    return list(found), list(own)


def _all_files(root: Path) -> Iterator[Path]:
    try:
        with os.scandir(root) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:  # gone meanwhile; what was declared was looked at before
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _all_files(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _verify(target: There, expected: Mapping[str, str], here: Mapping[str, str]) -> None:
    """Every file has its SHA-256 on the site.

    SiteUnavailable names a copy that has not, UserError a file that is another here too: one that was changed
    meanwhile, or that the disk has lost though its name, size and time of change are still those that were noted.
    """
    found = digests(target.runner, expected)
    for copy, digest in expected.items():
        if found.get(copy) == digest:
            continue
        if found.get(copy) == _digest(Path(here[copy])):
            raise UserError(
                f"{Path(here[copy]).name} is not what it was when its checksum was noted.",
                code="input_changed",
                hint="If nobody changed it, the disk may have: upload it again. Then run the job again.",
            )
        raise SiteUnavailable(f"A copy on the site is not what was sent: {copy}.")


# --- the way home


def bring_home(job: Job, attempt: Attempt, places: Places) -> None:
    """All that the command left, its logs and its exit file are here with the SHA-256 they have on the site."""
    target, control = there(attempt), str(control_of(attempt))
    reached("stage_out.begun")
    if not target.runner.exists(target.folder):
        return
    ensure_dir(places.root, attempt.work_path)
    ensure_dir(places.root, control_of(attempt))
    with copying():
        _copy_home(attempt, target, [f"{job.folder_path}/", f"{control}/"], places.root)
        reached("stage_out.copied")
        for path, digest in _sums_there(target, (f"{job.folder_path}/work-{attempt.number}", control)):
            home = places.root / path
            if home.is_symlink() or not home.is_file() or _digest(home) != digest:
                raise SiteUnavailable(f"{path} did not come home whole; it is fetched again.")
    reached("stage_out.verified")


def mirror(job: Job, attempt: Attempt, places: Places, charts: Iterable[str]) -> None:
    """The logs and the charts drawn so far are here, for those who watch; what is not there yet is left out."""
    target = there(attempt)
    names = [f"{job.folder_path}/stdout.log", f"{job.folder_path}/stderr.log"]
    if attempt.does == Does.ELEMENTS:
        names = [f"{job.folder_path}/{LOGS}/"]
    names += [f"{attempt.work_path}/{name}" for name in charts]
    ensure_dir(places.root, attempt.work_path)
    _copy_home(attempt, target, names, places.root, only_a_look=True)
    Attempt.objects.filter(pk=attempt.pk).update(mirrored_at=timezone.now())


def ended(attempt: Attempt) -> bool:
    """True when the exit file is on the site."""
    target = there(attempt)
    return target.runner.exists(target.folder / str(control_of(attempt)) / EXIT_FILE)


def ended_elements(attempt: Attempt) -> set[int]:
    """The elements of the attempt whose exit files are on the site, found in one look."""
    return {int(PurePosixPath(path).parent.name) for path in _in_elements(attempt, EXIT_FILE)}


def fenced(attempt: Attempt) -> bool:
    """True when a command has begun on the site."""
    if attempt.does == Does.ELEMENTS:
        return bool(_in_elements(attempt, FENCE))
    target = there(attempt)
    return target.runner.exists(target.folder / str(control_of(attempt)) / FENCE)


def fence(attempt: Attempt) -> None:
    """A copy of the attempt that begins later finds this and leaves."""
    target = there(attempt)
    control = target.folder / str(control_of(attempt))
    fences = [control / FENCE]
    if attempt.does == Does.ELEMENTS:
        fences = [control / str(one.index) / FENCE for one in attempt.elements.all()]
    target.runner.checked(["mkdir", "-p", "--", *map(str, fences)])


def _in_elements(attempt: Attempt, name: str) -> list[str]:
    target = there(attempt)
    control = str(target.folder / str(control_of(attempt)))
    if not target.runner.exists(PurePosixPath(control)):
        return []
    said = target.runner.checked(["find", control, "-mindepth", "2", "-maxdepth", "2", "-name", name, "-print0"])
    return [path for path in said.split("\0") if path]


def moved_spec(spec: JobSpec, attempt: Attempt, places: Places, info: ToolInfo) -> JobSpec:
    """The spec with the paths that hold on the site."""
    target = there(attempt)

    def path(one: Path) -> Path:
        return Path(moved(str(one), places, info, target))

    environment = {
        name: ":".join(moved(part, places, info, target) for part in value.split(":"))
        for name, value in spec.environment.items()
    }
    return replace(
        spec,
        argv=[moved_word(word, places, info, target) for word in spec.argv],
        cwd=path(spec.cwd),
        control=path(spec.control),
        stdout=path(spec.stdout),
        stderr=path(spec.stderr),
        stdin=path(spec.stdin) if spec.stdin else None,
        environment=environment,
    )


def clean_up(attempt: Attempt) -> None:
    """Nothing of the attempt is left on the site. Only for one whose outputs are at home, or that never ran."""
    target = there(attempt)
    target.runner.remove(target.base)
    Attempt.objects.filter(pk=attempt.pk).update(cleaned_at=timezone.now())


def _sums_there(target: There, folders: Iterable[str]) -> Iterator[tuple[str, str]]:
    roots = [str(target.folder / one) for one in folders]
    ran = target.runner.run(["find", *roots, "-type", "f", "!", "-name", ".exit.part", "-print0"], seconds=SUM_SECONDS)
    for path, digest in digests(target.runner, [path for path in ran.stdout.split("\0") if path]).items():
        yield str(PurePosixPath(path).relative_to(target.folder)), digest


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- rsync


def _copy_there(attempt: Attempt, root: Path, names: list[str], target: PurePosixPath) -> None:
    done = _rsync(attempt.site, ["--mkpath", "--files-from=-", "-R", f"{root}/"], names, f"{{}}{target}/")
    if done.returncode in PARTIAL:
        words = "An input went away, or can't be read, while it was copied."
        raise UserError(words, code="input_missing", hint=PUT_BACK)
    _check(attempt.site, done)


def _copy_home(attempt: Attempt, target: There, names: list[str], root: Path, *, only_a_look: bool = False) -> None:
    words, seconds = ["--files-from=-", "-R", "-r", f"{{}}{target.folder}/"], SLICE_SECONDS
    if only_a_look:
        seconds = LOOK_SECONDS
    done = _rsync(attempt.site, words, names, f"{root}/", seconds)
    if only_a_look and done.returncode in PARTIAL:
        return
    _check(attempt.site, done)


def _rsync(
    site: ComputeSite, words: list[str], names: list[str], last: str, seconds: float = SLICE_SECONDS
) -> subprocess.CompletedProcess[bytes]:
    """How rsync ended; SiteUnavailable when its time was over (what it has is kept, and it goes on from there)."""
    host, argv = "", ["rsync", "-t", "--from0", "--partial-dir", PARTS, "--no-links", "--no-specials", "--no-devices"]
    argv += ["--protect-args", "--quiet", "--chmod=Du=rwx,Dg=rwx,Do=,Fu=rw,Fg=rw,Fo="]
    if site.settings.get("runner") == "ssh":
        machine = machine_of(site.settings)
        host = f"{machine.host}:"
        argv += ["-e", shlex.join([*machine.command(), "-o", f"Ciphers={CIPHERS}"]), "--timeout", str(PAUSE_SECONDS)]
    argv += [word.replace("{}", host) for word in (*words, last)]
    try:
        return subprocess.run(
            argv,
            input=b"\0".join(os.fsencode(name) for name in names),
            env={"PATH": os.environ.get("PATH") or os.defpath, "LANG": "C.UTF-8"},
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SiteUnavailable("Copying takes long; it goes on from where it is.") from None
    except OSError as error:
        raise SiteUnavailable(f"rsync can't be started here: {error}") from error


def _check(site: ComputeSite, done: subprocess.CompletedProcess[bytes]) -> None:
    if done.returncode == 0:
        return
    said = " ".join(done.stderr.decode("utf-8", "replace").split())[:400]
    if done.returncode == NO_ROOM:
        raise SiteUnavailable(f"{site.name} or this machine has no room for the files: {said}")
    raise SiteUnavailable(f"Copying to or from {site.name} was cut (rsync status {done.returncode}): {said}")
