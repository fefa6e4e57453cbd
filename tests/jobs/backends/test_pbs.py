"""PBS: the contract against a look-alike written by the manuals, and what servers say, as their manuals show it."""

import json
import sys
from pathlib import Path

import pytest

from jobs.backends.base import Cause, JobRejected, Phase, SiteUnavailable
from jobs.backends.limits import Limits
from jobs.backends.pbs import PbsBackend, PbsOptions, from_json, from_xml, observation
from jobs.backends.runner import Here
from tests.jobs.backends.contract import ArrayContract, SchedulerContract

SHIM = Path(__file__).parent / "shims" / "pbs.py"


def look_alike(place: Path, *, torque: bool) -> PbsBackend:
    place.mkdir()
    for name in ("qsub", "qstat", "qdel"):
        (place / name).write_text(f"#!{sys.executable} -S\n{SHIM.read_text()}")
        (place / name).chmod(0o755)
    like = {"PBS_LIKE": "torque" if torque else "openpbs", "PBS_STATE": str(place / "state")}
    runner = Here({"PATH": f"{place}:/usr/bin:/bin", **like})
    return PbsBackend(runner, Limits(cores=4, memory_mb=1000), PbsOptions(torque=torque))


class TestOpenPbs(ArrayContract):
    @pytest.fixture
    def backend(self, tmp_path):
        return look_alike(tmp_path / "pbs", torque=False)

    def test_an_unknown_queue_is_refused_in_words(self, backend, make_spec):
        with pytest.raises(JobRejected, match="Unknown queue"):
            backend.submit(make_spec("true", queue="no"))


class TestTorque(SchedulerContract):
    @pytest.fixture
    def backend(self, tmp_path):
        return look_alike(tmp_path / "pbs", torque=True)


@pytest.mark.parametrize(
    ("told", "phase", "cause", "words"),
    [
        ({"job_state": "Q", "comment": "Not enough free nodes"}, Phase.QUEUED, Cause.NONE, "free nodes"),
        ({"job_state": "H"}, Phase.QUEUED, Cause.NONE, "held"),
        ({"job_state": "R"}, Phase.RUNNING, Cause.NONE, ""),
        ({"job_state": "E"}, Phase.RUNNING, Cause.NONE, ""),
        ({"job_state": "S"}, Phase.RUNNING, Cause.NONE, ""),
        ({"job_state": "F", "Exit_status": "0"}, Phase.ENDED, Cause.NONE, ""),
        ({"job_state": "F", "Exit_status": "271"}, Phase.ENDED, Cause.NONE, ""),
        ({"job_state": "F", "Exit_status": "-29"}, Phase.ENDED, Cause.WALL_TIME, "time"),
        ({"job_state": "C", "Exit_status": "-11"}, Phase.ENDED, Cause.WALL_TIME, "time"),
        ({"job_state": "F", "Exit_status": "-3"}, Phase.LOST, Cause.NODE_FAILURE, "node"),
        ({"job_state": "F", "Exit_status": "-1"}, Phase.LOST, Cause.NOT_STARTED, "start"),
        ({"job_state": "F", "comment": "Job deleted at request of u@h"}, Phase.ENDED, Cause.CANCELLED, "deleted"),
        ({"job_state": "Y"}, Phase.UNKNOWN, Cause.NONE, "Y"),
        ({}, Phase.UNKNOWN, Cause.NONE, "?"),
    ],
)  # fmt: skip
def test_letters_and_exit_statuses_are_understood(told, phase, cause, words):
    seen = observation("12.head", {"Job_Name": "portolan-a", **told})
    assert (seen.native_id, seen.phase, seen.cause) == ("12:portolan-a", phase, cause)
    assert words in seen.reason


@pytest.mark.parametrize("said", ["{", "[]", "<Data>", '{"Jobs": 3}'])
def test_an_answer_that_is_none_is_a_site_without_answer(said):
    with pytest.raises(SiteUnavailable):
        from_json(said)
    with pytest.raises(SiteUnavailable):
        from_xml(said if said == "<Data>" else "<Data")


def test_no_jobs_is_an_answer():
    assert from_json(json.dumps({"timestamp": 1, "pbs_server": "head"})) == from_json("") == from_xml("") == []


def test_entities_in_the_xml_are_not_followed():
    with pytest.raises(SiteUnavailable):
        from_xml(
            '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]><Data><Job><Job_Name>&a;</Job_Name></Job></Data>'
        )
