"""What keeps a job from running twice is taken away, one thing at a time: the random schedules' checks must notice.

Each schedule passes as it is (it is one of the examples in ``test_random_schedules``), and fails without the guard.
"""

import pytest

from jobs.backends import script
from jobs.lifecycle import starting
from jobs.models import Attempt
from tests.jobs.portal import crash_soon, portal  # noqa: F401 - fixtures
from tests.jobs.test_random_schedules import assert_runs_once_and_ends_truly

pytestmark = pytest.mark.django_db
# Kubernetes itself refuses a second job of a name, so some guards are not what holds there.
BY_NUMBER = ("slurm", "grid engine", "pbs")
LOST_ANSWER = [("lost", 1), ("advance", 1), ("advance", 1), ("begin", 1)]
LATE_COPY = [("late", 1), ("advance", 1), ("advance", 1), ("begin", 1), ("arrive", 1), ("begin", 1)]
LATE_AFTER_CANCEL = [("late", 1), ("advance", 1), ("advance", 1), ("cancel", 1), ("advance", 1), ("arrive", 1)]
LATE_AFTER_FAILURE = [("late", 1), ("advance", 1), ("advance", 1), ("fail", 1), ("observe", 1), ("arrive", 1)]
NODE_FAILS = [("advance", 1), ("begin", 1), ("fail", 1), ("observe", 1), ("begin", 1), ("end", 1)]


def without_asking_first(monkeypatch):
    """A second submit asks nobody whether the first one was taken."""
    monkeypatch.setattr(starting, "_found", lambda backend, attempt: None)


def without_the_fence(monkeypatch):
    """The job script makes its fence whether or not it is there."""
    line = 'mkdir "$control/@FENCE@" 2>/dev/null ||'
    assert line in script._SCRIPT
    monkeypatch.setattr(script, "_SCRIPT", script._SCRIPT.replace(line, 'mkdir -p "$control/@FENCE@" ||'))


def without_names_of_attempts(monkeypatch):
    """Every attempt of a job has the same name at its site."""
    monkeypatch.setattr(Attempt, "native_name", property(lambda attempt: f"portolan-{attempt.job_id.hex}"))


def without_keeping_earlier_attempts_out(monkeypatch):
    """What an earlier attempt left on its way may begin beside the next one."""
    monkeypatch.setattr(starting, "keep_out", lambda attempt, places: None)


GUARDS = [
    *[(without_asking_first, kind, LOST_ANSWER) for kind in BY_NUMBER],
    *[(without_the_fence, kind, LATE_COPY) for kind in BY_NUMBER],
    *[(without_the_fence, kind, LATE_AFTER_CANCEL) for kind in BY_NUMBER],
    *[(without_names_of_attempts, kind, NODE_FAILS) for kind in (*BY_NUMBER, "kubernetes")],
    *[(without_keeping_earlier_attempts_out, kind, LATE_AFTER_FAILURE) for kind in BY_NUMBER],
]


@pytest.mark.parametrize(("take_away", "kind", "schedule"), GUARDS)
def test_without_this_guard_a_duplicate_or_a_lost_job_is_found(
    portal,  # noqa: F811
    root,
    monkeypatch,
    take_away,
    kind,
    schedule,
):
    one = portal(kind)
    take_away(monkeypatch)
    with pytest.raises(AssertionError):
        assert_runs_once_and_ends_truly(one, root, schedule)


@pytest.mark.parametrize(("kind", "schedule"), [(kind, schedule) for _, kind, schedule in GUARDS])
def test_with_all_guards_the_same_schedule_is_well(portal, root, kind, schedule):  # noqa: F811
    assert_runs_once_and_ends_truly(portal(kind), root, schedule)
