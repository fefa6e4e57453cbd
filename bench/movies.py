"""Movie alignment split into elements on two workers, against RELION's own MPI program on the same two cores."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.common import gateway_of, instance, seconds_of
from bench.jobs import through
from gateway.running.client import Gateway
from samples.__main__ import FULL
from samples.movies import Plan, write_movies
from tests.live import ROOT

MOVIES = int(os.environ.get("BENCH_MOVIES", "24"))
ROUNDS = int(os.environ.get("BENCH_MOVIES_ROUNDS", "1"))
LARGE = Plan(count=1, frames=16, size=2048, particles=16)
WORKERS = 2
SECONDS = 1800
LOOK_SECONDS = 1.0
OPTICS = (
    "data_optics\n\nloop_\n_rlnOpticsGroupName #1\n_rlnOpticsGroup #2\n_rlnMicrographOriginalPixelSize #3\n"
    "_rlnVoltage #4\n_rlnSphericalAberration #5\n_rlnAmplitudeContrast #6\nopticsGroup1 1 1.77 300.0 2.7 0.1\n\n\n"
    "data_movies\n\nloop_\n_rlnMicrographMovieName #1\n_rlnOpticsGroup #2\n"
)


def scatter() -> dict[str, Any]:
    """Of movies of two sizes: seconds of both ways, in turn, with the same movies, parameters and cores."""
    with tempfile.TemporaryDirectory() as folder, two_cores():
        samples = Path(folder) / "sample-project" / "samples"
        subprocess.run([sys.executable, "-m", "samples", str(samples)], cwd=ROOT, check=True, timeout=600)
        write_movies(samples / "large", LARGE)
        with instance(SAMPLE_DIR=str(samples.parent)) as live:
            gateway = gateway_of(live)
            found = {
                "sample movies": compared(gateway, samples, FULL, Path(folder)),
                "larger movies": compared(gateway, samples / "large", LARGE, Path(folder)),
            }
    return {"movies": MOVIES, "workers": WORKERS, "rounds": ROUNDS, "sizes": found, "at": time.strftime("%H:%M")}


def compared(gateway: Gateway, data: Path, plan: Plan, folder: Path) -> dict[str, Any]:
    """The best of the rounds of both ways, with the movies and the gain in ``data``, which were made by ``plan``."""
    many_movies(data)
    inputs = gateway.call("GET", "/tools/movie_alignment/")["sample"]
    project = gateway.project(f"Movies of {data.name}", "sample")
    below = data.relative_to(folder / "sample-project")
    inputs |= {"movies": {"pattern": f"{below}/many/*.tiff"}}
    inputs |= {"gain": {"class": "File", "path": f"{below}/gain/gain.mrc"}}
    taken: dict[str, list[float]] = {"relion": [], "portolan": []}
    for number in range(ROUNDS):
        taken["relion"].append(seconds_of(partial(relion, data, folder, number)))
        taken["portolan"].append(through(gateway, project, "movie_alignment", inputs, every=LOOK_SECONDS))
    best = {name: min(all_) for name, all_ in taken.items()}
    ratio, elements = best["portolan"] / best["relion"], last_job(gateway, project)["elements"]
    return {"side": plan.size, "frames": plan.frames, "elements": elements, "s": best, "ratio": ratio}


@contextmanager
def two_cores() -> Iterator[None]:
    """This process and all that it starts have two cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:WORKERS])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def many_movies(samples: Path) -> None:
    """The movies under as many names as are wanted."""
    movies = sorted((samples / "movies").glob("*.tiff"))
    (samples / "many").mkdir()
    for number in range(MOVIES):
        shutil.copyfile(movies[number % len(movies)], samples / "many" / f"mic_{number:03d}.tiff")


def relion(samples: Path, folder: Path, number: int) -> None:
    """All movies aligned by two MPI processes of one thread, with what the tool asks RELION for."""
    work = folder / f"relion-{number}"
    work.mkdir()
    rows = "".join(f"{path} 1\n" for path in sorted((samples / "many").iterdir()))
    (work / "movies.star").write_text(f"{OPTICS}{rows}\n")
    argv = ["mpirun", "--allow-run-as-root", "--bind-to", "none", "--oversubscribe", "-n", str(WORKERS)]
    argv += ["relion_run_motioncorr_mpi", "--i", "movies.star", "--o", "out/", "--use_own", "--j", "1"]
    argv += ["--dose_per_frame", "1.2", "--preexposure", "0", "--patch_x", "3", "--patch_y", "3", "--bfactor", "150"]
    argv += ["--bin_factor", "1", "--grouping_for_ps", "3", "--ps_size", "512", "--first_frame_sum", "1"]
    argv += ["--last_frame_sum", "-1", "--dose_weighting", "--save_noDW"]
    argv += ["--gainref", str(samples / "gain" / "gain.mrc"), "--gain_rot", "0", "--gain_flip", "0"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(argv, cwd=work, env=env, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS)
    shutil.rmtree(work)


def last_job(gateway: Gateway, project: str) -> dict[str, Any]:
    """The newest job of the project."""
    found: dict[str, Any] = max(gateway.every(f"/projects/{project}/jobs/"), key=lambda one: one["number"])
    return found
