import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.scopes import Scope
from accounts.services import make_token
from common.errors import Forbidden, NotFound, StateConflict, UserError
from projects import services
from projects.models import AuditEvent, Membership, Project
from projects.roles import Role


def trail(project):
    return list(AuditEvent.objects.filter(project=project).order_by("id").values_list("action", "subject"))


def role_of(project, user):
    return Membership.objects.get(project=project, user=user).role


def test_who_creates_a_project_owns_it(owner):
    project = services.create_project(owner, name="  Apo   ferritin ", description=" x ")
    assert (project.name, project.description) == ("Apo ferritin", "x")
    assert role_of(project, owner) == "owner"
    assert trail(project) == [("project.created", "Apo ferritin")]


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\x00b"])
def test_a_project_needs_a_plain_name(owner, name):
    with pytest.raises(UserError):
        services.create_project(owner, name=name)
    assert not Project.objects.exists()


@pytest.mark.parametrize("narrow", [{"scopes": [Scope.READ, Scope.DATA]}, {"scopes": list(Scope), "projects": ["x"]}])
def test_a_narrow_token_makes_no_project(owner, narrow):
    owner.token, _ = make_token(owner, label="narrow", **narrow)
    with pytest.raises(Forbidden):
        services.create_project(owner, name="x")


def test_changes_of_state_are_in_the_trail(bare_project, owner, manager):
    services.rename_project(manager, bare_project.pk, name="New")
    services.rename_project(manager, bare_project.pk, name="New")
    services.archive_project(owner, bare_project.pk)
    services.archive_project(owner, bare_project.pk)
    with pytest.raises(StateConflict):
        services.rename_project(manager, bare_project.pk, name="Newer")
    services.restore_project(owner, bare_project.pk)
    assert trail(bare_project) == [
        ("project.renamed", "New"),
        ("project.archived", "New"),
        ("project.restored", "New"),
    ]


def test_changes_of_people_are_in_the_trail(bare_project, owner, stranger):
    services.add_member(owner, bare_project.pk, username="stranger", role="viewer")
    services.change_member(owner, bare_project.pk, stranger.pk, role="manager", until=None)
    services.remove_member(owner, bare_project.pk, stranger.pk)
    assert trail(bare_project) == [
        ("member.added", "stranger"),
        ("member.role", "stranger"),
        ("member.removed", "stranger"),
    ]
    last = AuditEvent.objects.get(action="member.role")
    assert (last.actor_name, last.details["role"], last.details["before"]["role"]) == ("owner", "manager", "viewer")


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        ({"username": "nobody"}, UserError, "unknown_user"),
        ({"role": "king"}, UserError, "bad_role"),
        ({"until": timezone.now() - timedelta(days=1)}, UserError, "bad_until"),
        ({"username": "viewer"}, StateConflict, "already_member"),
    ],
)
def test_a_member_that_makes_no_sense_is_refused(bare_project, owner, stranger, words, error, code):
    with pytest.raises(error) as refusal:
        services.add_member(owner, bare_project.pk, **{"username": "stranger", "role": "viewer"} | words)
    assert refusal.value.code == code
    assert trail(bare_project) == []


def test_a_manager_touches_no_owner(bare_project, owner, manager, viewer, stranger):
    with pytest.raises(Forbidden):
        services.add_member(manager, bare_project.pk, username="stranger", role="owner")
    with pytest.raises(Forbidden):
        services.change_member(manager, bare_project.pk, viewer.pk, role="owner", until=None)
    with pytest.raises(Forbidden):
        services.change_member(manager, bare_project.pk, owner.pk, role="viewer", until=None)
    with pytest.raises(Forbidden):
        services.remove_member(manager, bare_project.pk, owner.pk)
    assert trail(bare_project) == []


def test_a_contributor_manages_nobody_and_a_stranger_sees_nothing(bare_project, contributor, stranger, viewer):
    for user, error in ((contributor, Forbidden), (stranger, NotFound)):
        with pytest.raises(error):
            services.add_member(user, bare_project.pk, username="stranger", role="viewer")
        with pytest.raises(error):
            services.remove_member(user, bare_project.pk, viewer.pk)
        with pytest.raises(error):
            services.archive_project(user, bare_project.pk)


def test_the_last_owner_stays(bare_project, owner, manager):
    week = timezone.now() + timedelta(days=7)
    attempts = [
        lambda: services.leave_project(owner, bare_project.pk),
        lambda: services.remove_member(owner, bare_project.pk, owner.pk),
        lambda: services.change_member(owner, bare_project.pk, owner.pk, role="manager", until=None),
        lambda: services.change_member(owner, bare_project.pk, owner.pk, role="owner", until=week),
    ]
    for attempt in attempts:
        with pytest.raises(StateConflict) as refusal:
            attempt()
        assert refusal.value.code == "last_owner"
    services.change_member(owner, bare_project.pk, manager.pk, role="owner", until=week)
    with pytest.raises(StateConflict):
        services.leave_project(owner, bare_project.pk)
    services.change_member(owner, bare_project.pk, manager.pk, role="owner", until=None)
    services.leave_project(owner, bare_project.pk)
    assert not Membership.objects.filter(project=bare_project, user=owner).exists()


def test_anyone_may_leave_and_is_then_a_stranger(bare_project, viewer):
    services.leave_project(viewer, bare_project.pk)
    assert trail(bare_project) == [("member.left", "viewer")]
    with pytest.raises(NotFound):
        services.leave_project(viewer, bare_project.pk)


def test_leaving_by_a_token_needs_the_scope(bare_project, viewer):
    viewer.token, _ = make_token(viewer, label="r", scopes=[Scope.READ])
    with pytest.raises(Forbidden):
        services.leave_project(viewer, bare_project.pk)


@pytest.mark.locks
@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_leave_one(owner, manager):
    project = services.create_project(owner, name="Two owners")
    services.add_member(owner, project.pk, username="manager", role=Role.OWNER)
    ready, refused = threading.Barrier(2), []

    def leave(user):
        ready.wait(10)
        try:
            services.leave_project(user, project.pk)
        except StateConflict as error:
            refused.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=(user,)) for user in (owner, manager)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert refused == ["last_owner"]
    assert Membership.objects.filter(project=project).count() == 1
