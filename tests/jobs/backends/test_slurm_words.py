"""Slurm's words, as 22.05 printed them."""

import pytest

from jobs.backends.base import Cause, Phase
from jobs.backends.natives import matched
from jobs.backends.slurm_words import observation

LOST, ENDED = Phase.LOST, Phase.ENDED


@pytest.mark.parametrize(
    ("state", "reason", "code", "phase", "cause"),
    [
        ("COMPLETED", "None", "0:0", ENDED, Cause.NONE),
        ("FAILED", "NonZeroExitCode", "3:0", ENDED, Cause.NONE),
        ("FAILED", "JobLaunchFailure", "0:9", ENDED, Cause.NONE),
        ("FAILED", "JobLaunchFailure", "0:53", ENDED, Cause.NOT_STARTED),
        ("FAILED", "JobLaunchFailure", "0:125", ENDED, Cause.OUT_OF_MEMORY),
        ("FAILED", "NonZeroExitCode", "75:0", ENDED, Cause.NOT_STARTED),
        ("FAILED", "BadConstraints", "1:0", ENDED, Cause.NOT_STARTED),
        ("OUT_OF_MEMORY", "OutOfMemory", "0:125", ENDED, Cause.OUT_OF_MEMORY),
        ("TIMEOUT", "TimeLimit", "0:0", ENDED, Cause.WALL_TIME),
        ("DEADLINE", "DeadLine", "1:0", ENDED, Cause.WALL_TIME),
        ("CANCELLED by 0", "None", "0:0", ENDED, Cause.CANCELLED),
        ("NODE_FAIL", "NodeDown", "", LOST, Cause.NODE_FAILURE),
        ("PREEMPTED", "None", "", LOST, Cause.PREEMPTED),
        ("COMPLETING", "None", "", Phase.RUNNING, Cause.NONE),
        ("SUSPENDED", "None", "", Phase.RUNNING, Cause.NONE),
        ("WHATEVER", "None", "", Phase.UNKNOWN, Cause.NONE),
        ("", "", "", Phase.UNKNOWN, Cause.NONE),
    ],
)
def test_states_and_exit_codes_are_told_apart(state, reason, code, phase, cause):
    seen = observation("7", state, reason, "portolan-a", code)
    assert (seen.phase, seen.cause) == (phase, cause)
    assert seen.word == ((state.split() or ["?"])[0])


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("PartitionTimeLimit", "never start"),
        ("DependencyNeverSatisfied", "never start"),
        ("JobHeldUser", "release it"),
        ("Priority", "before it"),
        ("ReqNodeNotAvail, UnavailableNodes:c1", "down or reserved"),
        ("QOSMaxCpuPerUserLimit", "quality of service"),
        ("SomethingNew", "SomethingNew"),
    ],
)
def test_why_a_job_waits_is_said_in_plain_words(reason, words):
    seen = observation("7", "PENDING", reason, "portolan-a")
    assert seen.phase is Phase.QUEUED
    assert words in seen.reason


def test_of_two_jobs_of_one_name_the_one_that_runs_counts():
    refused = observation("8", "FAILED", "NonZeroExitCode", "portolan-a", "76:0")
    runs = observation("7", "RUNNING", "None", "portolan-a")
    assert matched(["8:portolan-a"], [refused, runs], "_") == {"8:portolan-a": runs}
