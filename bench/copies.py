"""Copies to a site behind SSH, verified by SHA-256 at both ends, beside bare rsync over the same kind of connection."""

import datetime
import hashlib
import os
import shlex
import statistics
import subprocess
import uuid
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from accounts.models import User
from bench.common import seconds_of
from jobs.lifecycle import staging
from jobs.lifecycle.places import places_of
from jobs.lifecycle.site_settings import machine_of
from jobs.lifecycle.starting import command_for
from jobs.models import Attempt, ComputeSite, Job
from jobs.registry import get_tool
from projects.models import Project
from storage import sums
from storage.services.folders import folder_of, folder_root, open_project
from tests.jobs.backends.sshd import sshd_running

MEGABYTES = int(os.environ.get("BENCH_COPY_MB") or 2048)
FILES = int(os.environ.get("BENCH_COPY_FILES") or 10_000)
SMALL, ROUNDS = 4096, 5


def copies(home: Path) -> dict[str, Any]:
    """Seconds of both ways, in turns, for one large file and for many small ones: the medians and their ratio."""
    user, _ = User.objects.get_or_create(username="copied")
    project = open_project(user, name="Copied")
    root = folder_root(folder_of(project)).resolve()
    with sshd_running(home / "sshd") as server:
        machine = server.machine
        told = {name: str(getattr(machine, name)) for name in ("host", "user", "key_file", "known_hosts_file")}
        site = ComputeSite.objects.create(
            name="away", scheduler="slurm", work_root=str(home / "away"),
            settings={"runner": "ssh", "ssh": {**told, "port": machine.port}},
        )  # fmt: skip
        (home / "away").mkdir()
        _large(root / "large")
        _many(root / "many")
        found = {
            name: _measured(Job(project=project, number=number, tool="copied", site=site, inputs={}), name)
            for number, name in enumerate(("large", "many"), start=1)
        }
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"mb": MEGABYTES, "files": FILES, "rounds": ROUNDS, "found": found, "day": day}


def _large(folder: Path) -> None:
    folder.mkdir()
    with (folder / "movie.mrc").open("wb") as stream:
        for _ in range(MEGABYTES):
            stream.write(os.urandom(2**20))


def _many(folder: Path) -> None:
    for number in range(FILES):
        file = folder / f"{number // 1000}" / f"{number}.star"
        if not number % 1000:
            file.parent.mkdir(parents=True)
        file.write_bytes(os.urandom(SMALL))


def _note(project: Project, root: Path, name: str) -> None:
    """The checksums of the files are known, as they are of all that came through a door."""
    for path in sorted((root / name).rglob("*.*")):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        sums.note_placed(folder_of(project), str(path.relative_to(root)), sha256=digest)


def _measured(job: Job, name: str) -> dict[str, float]:
    _note(job.project, places_of(job).root, name)
    job.job_order = {"data": {"class": "Directory", "path": name}}
    job.save()
    info, places = get_tool(job.tool), places_of(job)
    staged, bare, kept = [], [], []
    for number in range(1, ROUNDS + 1):
        attempt = Attempt.objects.create(job=job, number=number, site=job.site, staged=True)
        command = command_for(job, attempt, info, places)
        # As deep below a new directory as Portolan's copy: where a disk puts files depends on that.
        plain = PurePosixPath(job.site.work_root) / uuid.uuid4().hex / "folder"
        removals = [partial(staging.runner_of(job.site).remove, plain.parent), partial(staging.clean_up, attempt)]
        os.sync()
        bare.append(seconds_of(lambda: _rsync(job.site, places.root / name, plain / name)))  # noqa: B023 - called at once
        if name == "large":  # all copies together would fill the disk
            removals.pop(0)()
        os.sync()
        staged.append(seconds_of(lambda: staging.stage_in(attempt, info, places, command)))  # noqa: B023 - called at once
        if name == "large":
            removals.pop()()
        # Many small copies stay until the end: ext4 looks for other inodes than those that were freed just now.
        kept += removals
    for remove in kept:
        remove()
    ours, theirs = statistics.median(staged), statistics.median(bare)
    return {"staged_s": ours, "rsync_s": theirs, "ratio": ours / theirs}


def _rsync(site: ComputeSite, folder: Path, target: PurePosixPath) -> None:
    """The folder was copied by rsync alone, over ssh as it is when nobody chooses a cipher."""
    machine = machine_of(site.settings)
    argv = ["rsync", "-rt", "--mkpath", "-e", shlex.join(machine.command()), f"{folder}/", f"{machine.host}:{target}/"]
    subprocess.run(argv, check=True, timeout=900)
