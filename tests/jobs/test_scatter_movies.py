"""Movie alignment in two elements gives the results that it gives in one piece: the same files, the same figures."""

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from jobs.services import submit_job
from jobs.states import JobState
from samples.__main__ import generate
from tests.jobs.conftest import drive

TOOLS = Path(__file__).parents[2] / "jobs" / "tools"


@pytest.mark.slow
def test_movies_aligned_in_two_elements_give_what_one_run_gives(
    contributor, project, site, root, settings, monkeypatch
):
    settings.TOOL_DIRS = [TOOLS]
    generate(root / "samples", small=True)
    inputs = {
        "movies": {"pattern": "samples/movies/*.tiff"}, "gain": {"class": "File", "path": "samples/gain/gain.mrc"},
        "pixel_size": 1.77, "dose_per_frame": 1.2, "patches_x": 1, "patches_y": 1,
    }  # fmt: skip
    jobs = []
    for elements in (2, 0):
        monkeypatch.setattr("jobs.requests.elements_of", lambda rule, order, many=elements: many)
        job = submit_job(contributor, project.pk, tool="movie_alignment", inputs=inputs, site=site.name, memory_mb=900)
        drive(job, lambda one: one.job_state.final, seconds=300)
        assert job.job_state is JobState.SUCCEEDED, job.failure
        assert job.elements == elements
        jobs.append(job)
    split, whole = (root / job.outputs_path for job in jobs)
    names = [
        sorted(str(path.relative_to(above)) for path in above.rglob("*") if path.is_file()) for above in (split, whole)
    ]
    assert names[0] == names[1]
    for name in names[0]:
        one, other = split / name, whole / name
        if name.endswith(".mrc"):
            assert np.array_equal(mrcfile.read(one), mrcfile.read(other)), name
        elif name.endswith(".star"):
            assert words(one) == words(other), name
        elif name != "relion.log":
            assert one.read_bytes() == other.read_bytes(), name
    told = [[(r.output, r.position, r.title, r.viewer) for r in job.results.all()] for job in jobs]
    assert told[0] == told[1]
    software = [
        {one["name"]: one["softwareVersion"] for one in graph(root, job) if "softwareVersion" in one} for job in jobs
    ]
    assert software[0] == software[1]
    assert "RELION" in software[0]


def words(star: Path) -> list[str]:
    """The file's words: RELION puts the time into a comment."""
    lines = [line.partition("#")[0] for line in star.read_text().splitlines()]
    return [word for line in lines for word in line.split()]


def graph(root: Path, job) -> list[dict]:
    return json.loads((root / job.folder_path / "ro-crate-metadata.json").read_text())["@graph"]
