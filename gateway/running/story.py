"""``make demo``: people, sample data and three results, while the services run."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from django.conf import settings

from common.errors import Unavailable
from gateway.running import institutes
from gateway.running.client import Gateway, WalkFailed
from gateway.running.people import ensure_people, fresh_token, introduction
from gateway.running.setup import prepare
from gateway.running.walk import Done, three_results

SAMPLE_SECONDS = 600


class Story:
    """The walk in a thread of its own, so that the runner goes on tending the services."""

    def __init__(self, say: Callable[[str], None], *, once: bool, oidc: bool = False, site: str = "") -> None:
        self.say = say
        self.once = once
        self.oidc = oidc
        self.site = site
        self.problem = "It was stopped before the results were there."
        self._thread = threading.Thread(target=self._walk, daemon=True)
        self._passwords: dict[str, str] = {}
        self._began = time.monotonic()

    def prepare(self) -> None:
        """Tables, sample data and people are there."""
        self.say("Preparing the database and the static files")
        prepare()
        self._passwords = ensure_people()
        ensure_samples(self.say)
        self.say("Starting portal, door, worker, beat and Redis")

    def start(self) -> None:
        """The walk has begun."""
        self._thread.start()

    def done(self) -> bool:
        """True when the instance may end: with ``once``, after the walk."""
        return self.once and not self._thread.is_alive()

    def _walk(self) -> None:
        self.say("Running the three tools through the REST API, as a user would")
        token = fresh_token("researcher")
        try:
            gateway = Gateway(settings.PORTAL_URL, token)
            gateway.accept_policy()
            project, jobs = three_results(gateway, self.say, site=self.site)
        except (WalkFailed, httpx.HTTPError, KeyError) as error:
            self.problem = f"{type(error).__name__}: {error}"
            self.say(f"The demo did not get its three results. {self.problem}")
            return
        self.problem = ""
        for line in self._farewell(project, jobs, token):
            self.say(line)

    def _farewell(self, project: str, jobs: list[Done], token: str) -> list[str]:
        url = settings.PORTAL_URL
        lines = ["", f"All three results are there and checked ({time.monotonic() - self._began:.0f} s). Look at them:"]
        lines += [f"  {job.tool:<16} {url}/jobs/{job.job_id}/   ({job.found})" for job in jobs]
        lines += [f"  {'the project':<16} {url}/projects/{project}/", "", "Sign in as one of:"]
        lines += [*introduction(self._passwords), ""]
        lines += [*institutes.introduction(), ""] if self.oidc else []
        lines += ["Or ask the API:"]
        lines += [f"  curl -H 'Authorization: Bearer {token}' {url}/api/v1/projects/{project}/jobs/", ""]
        return lines if self.once else [*lines, "Serving until Ctrl-C."]


def ensure_samples(say: Callable[[str], None]) -> None:
    """SAMPLE_DIR holds what a project made from the sample starts with: the folder ``samples``, whole."""
    target: Path = settings.SAMPLE_DIR
    if (target / "samples" / "samples.json").exists():
        return
    say("Simulating the sample data (once)")
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    argv = [sys.executable, "-m", "samples", str(part / "samples")]
    try:
        subprocess.run(argv, cwd=settings.BASE_DIR, check=True, stdout=subprocess.DEVNULL, timeout=SAMPLE_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"The sample data could not be made: {error}", code="no_samples") from None
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
