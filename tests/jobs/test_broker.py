"""The broker: each site is weighed, the soonest of those that can is taken, and every one has its words."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Group
from common.errors import Unavailable, UserError
from jobs import lifecycle
from jobs.models import Attempt, ComputeSite, Job, Queue
from jobs.services import submit_job
from jobs.states import JobState
from storage.services.folders import folder_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan(contributor, project, root, site):
    def make(tool="behave", **more):
        inputs = more.pop("inputs", {"act": "write"})
        return submit_job(contributor, project.pk, tool=tool, inputs=inputs, dry_run=True, **more)

    return make


@pytest.fixture
def far(site, project):
    """A second site, that sees no folder."""
    made = ComputeSite.objects.create(name="far", scheduler="slurm", work_root="/scratch/portolan")
    Queue.objects.create(site=made, name="day", cores=64, memory_mb=256_000, wall_seconds=86_400, mpi=True)
    return made


def words(plan, name):
    return next(one["words"] for one in plan.weighed if name in (one["site"], one["queue"]))


def past_attempts(project, site, queue, waited, count=3):
    for number in range(1, count + 1):
        job = Job.objects.create(
            project=project, number=900 + number, tool="behave", inputs={}, site=site, state=JobState.SUCCEEDED
        )
        then = timezone.now() - timedelta(hours=number)
        began = then + timedelta(seconds=waited)
        Attempt.objects.create(job=job, number=1, site=site, queue=queue, submitted_at=then, began_at=began)


def test_bytes_to_copy_speak_against_a_site(plan, far, root):
    with (root / "big.dat").open("wb") as stream:
        stream.truncate(40 * 10**9)
    found = plan(inputs={"act": "write", "data": "big.dat"})
    assert found.site == "here"
    assert "40 GB to copy, about 7 min." in words(found, "far")
    assert found.reasons[0].startswith("here: Chosen.")


def test_the_wait_of_past_jobs_decides_between_sites(plan, far, site, project):
    past_attempts(project, site, "", 7200)
    far.shares.add(folder_of(project).site)
    found = plan()
    assert (found.site, found.queue) == ("far", "day"), found.reasons
    assert "about 2 hours" in words(found, "here")


def test_a_job_that_needs_a_gpu_goes_to_a_gpu_queue(plan, far, site):
    with pytest.raises(Unavailable, match="no GPU queue"):
        plan(tool="on_gpu", inputs={})
    Queue.objects.create(site=far, name="gpu", cores=8, memory_mb=64_000, gpus=4)
    found = plan(tool="on_gpu", inputs={})
    assert (found.site, found.queue, found.gpus) == ("far", "gpu", 1)
    assert words(found, "here") == "has no GPU queue."


def test_gpus_are_left_to_those_who_use_them(plan, far, site, project):
    ComputeSite.objects.filter(pk=site.pk).update(enabled=False)
    Queue.objects.create(site=far, name="gpu", position=1, cores=64, memory_mb=256_000, gpus=4)
    past_attempts(project, far, "day", 600)
    found = plan()
    assert found.queue == "day"
    assert "Its GPUs would not be used." in words(found, "gpu")
    Attempt.objects.all().update(began_at=timezone.now() + timedelta(days=1))
    assert plan().queue == "gpu"


def test_mpi_processes_go_where_each_has_its_cores(plan, far, root):
    Queue.objects.create(site=far, name="gpu", cores=8, memory_mb=64_000, gpus=4)
    Queue.objects.create(site=far, name="gpus", position=1, cores=8, memory_mb=64_000, gpus=4, nodes=2, mpi=True)
    found = plan(tool="on_gpu", inputs={"ranks": 2})
    assert (found.queue, found.tasks) == ("gpus", 2)
    assert "2 MPI processes" in next(one["words"] for one in found.weighed if one["queue"] == "gpu")
    assert plan(tool="on_gpu", inputs={}).queue == "gpu"


def test_requests_grow_with_the_inputs(plan, far, root):
    for number in range(3):
        (root / f"part{number}.bin").write_bytes(b"x" * 500)
    Queue.objects.create(site=far, name="gpu", cores=8, memory_mb=64_000, gpus=4)
    one = plan(tool="on_gpu", inputs={})
    three = plan(tool="on_gpu", inputs={"files": {"pattern": "*.bin"}, "ranks": 2})
    assert (one.memory_mb, three.memory_mb) == (500, 800)
    assert (one.wall_seconds, three.wall_seconds) == (60, 240)


def test_a_tool_that_a_site_does_not_have_is_told(plan, site, far):
    ComputeSite.objects.filter(pk=site.pk).update(tools={"movie_alignment": {}})
    found = plan()
    assert found.site == "far"
    assert words(found, "here") == "does not have Behave."


def test_a_site_kept_to_groups_is_for_those_in_them(plan, site, far, contributor):
    group = Group.objects.create(path="em", name="EM")
    ComputeSite.objects.filter(pk=far.pk).update(open_to_all=False)
    far.groups.add(group)
    with pytest.raises(UserError, match="not open to you") as refused:
        plan(site="far")
    assert (refused.value.code, refused.value.field) == ("site_forbidden", "site")
    far.people.add(contributor)
    assert plan(site="far").site == "far"


def test_a_drained_site_takes_nothing_new(plan, site, far):
    ComputeSite.objects.filter(pk=site.pk).update(draining_since=timezone.now(), drain_reason="new disks")
    found = plan()
    assert found.site == "far"
    assert words(found, "here") == "takes no new jobs now (new disks)."


def test_a_sick_site_comes_last(plan, site, far, project):
    far.shares.add(folder_of(project).site)
    ComputeSite.objects.filter(pk=site.pk).update(error_rate=0.8, last_answer_at=timezone.now())
    found = plan()
    assert found.site == "far"
    assert "does not answer" in words(found, "here")


def failed(minutes=12):
    return {
        "ok": False,
        "words": "It ended with status 1.",
        "ended_at": str(timezone.now() - timedelta(minutes=minutes)),
    }


def test_a_site_whose_canary_failed_comes_last(plan, site, far, project):
    far.shares.add(folder_of(project).site)
    ComputeSite.objects.filter(pk=site.pk).update(canaries={"": failed()})
    found = plan()
    assert found.site == "far"
    assert "Its test job failed 12 min ago: It ended with status 1." in words(found, "here")


def test_a_queue_whose_canary_failed_is_passed_over_while_another_of_its_site_is_well(plan, site, far):
    ComputeSite.objects.filter(pk=site.pk).update(enabled=False)
    Queue.objects.create(site=far, name="night", position=1, cores=1, memory_mb=1)  # less than the tool would like
    assert plan().queue == "day"
    ComputeSite.objects.filter(pk=far.pk).update(canaries={"day": failed(), "night": {"ok": True}})
    found = plan()
    assert found.queue == "night"
    assert "far, day: " in found.reasons[1]
    assert "Its test job failed 12 min ago: It ended with status 1." in found.reasons[1]
    assert plan(queue="day").queue == "day"  # a person's wish counts
    ComputeSite.objects.filter(pk=far.pk).update(canaries={"day": failed(), "night": failed()})
    assert plan().queue == "day"  # none is well: as if all were


def test_a_queue_whose_canary_failed_takes_what_no_other_can(plan, site, far):
    Queue.objects.create(site=far, name="gpu", position=1, cores=8, memory_mb=64_000, gpus=4)
    ComputeSite.objects.filter(pk=far.pk).update(canaries={"gpu": failed(), "day": {"ok": True}})
    assert plan(tool="on_gpu", inputs={}).queue == "gpu"
    other = ComputeSite.objects.create(name="other", scheduler="slurm", work_root="/scratch/portolan")
    Queue.objects.create(site=other, name="gpus", cores=8, memory_mb=64_000, gpus=4)
    assert plan(tool="on_gpu", inputs={}).site == "other"


def test_a_job_over_a_limit_waits_and_says_so(behave, site, run_until_final):
    ComputeSite.objects.filter(pk=site.pk).update(most_jobs_each=1)
    first, second = behave("sleep", seconds=0.3), behave("write")
    lifecycle.advance(first.pk)
    second = lifecycle.advance(second.pk)
    assert second.job_state is JobState.CREATED
    assert "1 jobs of one person" in second.reason
    assert run_until_final(first).job_state is JobState.SUCCEEDED
    assert run_until_final(second).job_state is JobState.SUCCEEDED


def test_the_choice_is_kept_with_the_job(behave, far):
    job = behave("write")
    assert [one["site"] for one in job.choice if one["chosen"]] == ["here"]
    assert {one["site"] for one in job.choice} == {"here", "far"}


@pytest.mark.parametrize(
    ("wish", "code", "field"),
    [
        ({"site": "moon"}, "unknown_site", "site"),
        ({"site": "here", "queue": "night"}, "unknown_queue", "queue"),
        ({"site": "here", "cores": 3}, "too_large", "cores"),
        ({"site": "far", "wall_seconds": 90_000}, "too_large", "wall_seconds"),
    ],
)
def test_a_wish_that_can_not_be_had_is_told_beside_its_field(plan, far, wish, code, field):
    with pytest.raises(UserError) as refused:
        plan(**wish)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_the_form_says_where_a_job_would_run_and_makes_none(plan, far, project, contributor, browser_of):
    typed = {"inputs.act": "write", "plan": "1"}
    page = browser_of(contributor).post(f"/projects/{project.pk}/run/behave/", typed)
    assert page.status_code == 200
    assert "here: Chosen." in page.text
    assert not Job.objects.exists()
