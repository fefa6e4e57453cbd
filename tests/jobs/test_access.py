"""Taking access away: what it cuts is told first, and the jobs finish or are cancelled as was asked."""

import pytest

from accounts.groups import refresh_groups
from accounts.models import ExternalIdentity
from common.errors import Forbidden, NotFound, StateConflict, UserError
from jobs.models import ComputeSite, Job
from jobs.services import access
from jobs.services.access import Running
from jobs.states import JobState
from projects import services
from projects.models import AuditEvent
from projects.permissions import role_in
from projects.roles import Role
from projects.services import Wish
from storage.models import Import
from storage.services.folders import folder_of
from storage.services.uploads import begin_upload
from storage.uploads import lifecycle

ISSUER = "https://aai.egi.eu/auth/realms/egi"


def told(user, *paths):
    identity, _ = ExternalIdentity.objects.get_or_create(issuer=ISSUER, subject=user.username, user=user)
    refresh_groups(identity, {"entitlements": [f"urn:mace:egi.eu:group:{path}" for path in paths]})


@pytest.fixture
def running(project):
    site = ComputeSite.objects.create(name="far")

    def made(user, state=JobState.RUNNING):
        number = Job.objects.count() + 1
        return Job.objects.create(
            project=project, number=number, tool="x", inputs={}, site=site, submitted_by=user, state=state
        )

    return made


@pytest.fixture
def grant(project, owner, stranger):
    """Strangers in the group cryo are contributors."""
    wish = Wish(entitlement="urn:mace:egi.eu:group:cryo", role="contributor", purpose="beam time")
    made = services.grant_group(owner, project.pk, wish)
    told(stranger, "cryo")
    return made


def states():
    return list(Job.objects.order_by("number").values_list("state", flat=True))


def test_what_ends_is_told_before(project, owner, contributor, running):
    running(contributor)
    running(contributor, JobState.SUCCEEDED)
    running(owner)
    begin_upload(contributor, project.pk, path="a.txt", size=5)
    for state, maker in (("running", contributor), ("done", contributor), ("running", owner)):
        Import.objects.create(
            folder=folder_of(project),
            created_by=maker,
            kind="http",
            state=state,
            source="https://data.example.org/runs",
        )
    ending = access.what_ends(owner, project.pk, member=contributor.pk)
    assert ending.losing == [contributor]
    assert [job.number for job in ending.jobs] == [1]
    assert [upload.path for upload in ending.uploads] == ["a.txt"]
    assert [one.source for one in ending.imports] == ["https://data.example.org/runs"]
    assert states() == ["running", "succeeded", "running"]


@pytest.mark.parametrize(("running_is", "expected"), [("finish", "running"), ("cancel", "cancelling")])
def test_the_jobs_of_who_is_removed_finish_or_are_cancelled(
    project, manager, contributor, running, running_is, expected
):
    running(contributor)
    running(manager)
    count = access.remove_member(manager, project.pk, contributor.pk, running=running_is, why="left us")
    assert states() == [expected, "running"]
    assert count == (running_is == "cancel")
    event = AuditEvent.objects.get(action="member.removed")
    assert (event.actor_name, event.subject, event.details["why"]) == ("manager", "contributor", "left us")
    with pytest.raises(NotFound):
        access.what_ends(contributor, project.pk, member=contributor.pk)


def test_an_upload_ends_with_the_right_at_its_very_next_byte(project, owner, contributor):
    secret = begin_upload(contributor, project.pk, path="a.txt", size=5).url.rpartition("/")[2]
    found = lifecycle.find_allowed(secret)
    access.remove_member(owner, project.pk, contributor.pk)
    with pytest.raises(Forbidden):
        lifecycle.find_allowed(secret)
    with pytest.raises(Forbidden):
        lifecycle.check_again(found.upload)


def test_an_upload_of_somebody_in_a_group_ends_with_the_grant_or_the_entitlement(project, owner, stranger, grant):
    secret = begin_upload(stranger, project.pk, path="a.txt", size=5).url.rpartition("/")[2]
    told(stranger)
    with pytest.raises(Forbidden):
        lifecycle.find_allowed(secret)
    told(stranger, "cryo")
    assert lifecycle.find_allowed(secret)
    access.remove_grant(owner, project.pk, grant.pk)
    with pytest.raises(Forbidden):
        lifecycle.find_allowed(secret)


def test_a_grant_taken_away_cancels_for_all_who_lost_it(project, owner, contributor, stranger, grant, running):
    told(contributor, "cryo")
    running(stranger)
    running(contributor)
    ending = access.what_ends(owner, project.pk, grant=grant.pk)
    assert (ending.losing, ending.weaker, ending.kept) == ([stranger], [], 1)
    assert access.remove_grant(owner, project.pk, grant.pk, running=Running.CANCEL) == 1
    assert states() == ["cancelling", "running"]


def test_who_has_another_reason_keeps_what_it_gives(project, owner, viewer, contributor, grant, running):
    told(viewer, "cryo")
    told(contributor, "cryo")
    running(contributor)
    running(viewer)
    weaker = access.what_ends(owner, project.pk, grant=grant.pk).weaker
    assert [(one.user, one.role) for one in weaker] == [(viewer, Role.VIEWER)]
    ending = access.what_ends(owner, project.pk, member=contributor.pk)
    assert (ending.losing, ending.weaker, ending.kept, ending.jobs) == ([], [], 1, [])
    access.remove_member(owner, project.pk, contributor.pk, running=Running.CANCEL)
    assert role_in(contributor, project) is Role.CONTRIBUTOR
    access.remove_grant(owner, project.pk, grant.pk, running=Running.CANCEL)
    assert states() == ["cancelling", "cancelling"]


def test_who_leaves_may_cancel_what_they_run(project, contributor, running):
    running(contributor)
    assert access.leave_project(contributor, project.pk, running=Running.CANCEL) == 1
    assert states() == ["cancelling"]
    assert role_in(contributor, project) is None


def test_the_last_owner_who_would_leave_loses_no_job(project, owner, running):
    running(owner)
    with pytest.raises(StateConflict):
        access.leave_project(owner, project.pk, running=Running.CANCEL)
    assert states() == ["running"]


def test_the_last_owner_is_not_removed_and_their_jobs_run_on(project, owner, running):
    running(owner)
    with pytest.raises(StateConflict):
        access.remove_member(owner, project.pk, owner.pk, running=Running.CANCEL)
    assert states() == ["running"]


def test_a_word_that_means_nothing_changes_nothing(project, owner, viewer):
    with pytest.raises(UserError):
        access.remove_member(owner, project.pk, viewer.pk, running="stop")
    assert role_in(viewer, project) is Role.VIEWER


def test_only_who_manages_may_look_at_what_others_would_lose(project, contributor, viewer, stranger):
    with pytest.raises(Forbidden):
        access.what_ends(contributor, project.pk, member=viewer.pk)
    with pytest.raises(NotFound):
        access.what_ends(stranger, project.pk, member=viewer.pk)
    assert access.what_ends(viewer, project.pk, member=viewer.pk).losing == [viewer]
