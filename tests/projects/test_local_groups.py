"""Groups that people keep here give roles like those of an AAI."""

import pytest

from accounts.services import make_token
from common.errors import Forbidden, NotFound, StateConflict, UserError
from projects import services
from projects.models import AuditEvent
from projects.permissions import role_in
from projects.roles import Role
from projects.services import Wish


@pytest.fixture
def team(manager):
    return services.make_group(manager, name=" The  team ", description="Who cuts grids")


@pytest.fixture
def granted(bare_project, manager, team):
    return services.grant_group(manager, bare_project.pk, Wish(group=team.pk, role="contributor", purpose="grids"))


def test_who_is_put_into_the_group_has_its_role_and_loses_it_when_taken_out(
    bare_project, manager, stranger, team, granted
):
    services.put_person(manager, team.pk, username="stranger")
    assert role_in(stranger, bare_project) is Role.CONTRIBUTOR
    services.take_person(manager, team.pk, stranger.pk)
    assert role_in(stranger, bare_project) is None


def test_changes_are_in_the_trail_of_projects_that_give_the_group_a_role(
    bare_project, manager, stranger, team, granted
):
    services.put_person(manager, team.pk, username="stranger")
    services.take_person(stranger, team.pk, stranger.pk)
    events = AuditEvent.objects.filter(project=bare_project, action__startswith="group.").order_by("id")
    assert [(event.actor_name, event.action, event.details["group"]) for event in events] == [
        ("manager", "group.person_added", "The team"),
        ("stranger", "group.person_removed", "The team"),
    ]


def test_only_keepers_change_a_group_and_only_its_people_see_it(manager, viewer, stranger, team):
    services.put_person(manager, team.pk, username="viewer")
    assert [seat.user for seat in services.seats_in(viewer, team.pk)] == [manager, viewer]
    for user, error in ((viewer, Forbidden), (stranger, NotFound)):
        for act in (
            lambda user=user: services.put_person(user, team.pk, username="stranger"),
            lambda user=user: services.take_person(user, team.pk, manager.pk),
            lambda user=user: services.rename_group(user, team.pk, name="Mine"),
            lambda user=user: services.delete_group(user, team.pk),
        ):
            with pytest.raises(error):
                act()
    with pytest.raises(NotFound):
        services.seats_in(stranger, team.pk)


def test_a_group_always_has_a_keeper(manager, viewer, team):
    services.put_person(manager, team.pk, username="viewer")
    for act in (
        lambda: services.take_person(manager, team.pk, manager.pk),
        lambda: services.put_person(manager, team.pk, username="manager", keeper=False),
    ):
        with pytest.raises(StateConflict):
            act()
    services.put_person(manager, team.pk, username="viewer", keeper=True)
    services.take_person(manager, team.pk, manager.pk)
    assert services.keeps(viewer, team)


def test_a_group_with_a_role_is_not_deleted(bare_project, manager, team, granted):
    with pytest.raises(StateConflict):
        services.delete_group(manager, team.pk)
    services.remove_grant(manager, bare_project.pk, granted.pk)
    services.delete_group(manager, team.pk)
    assert not services.my_groups(manager).exists()


def test_nobody_changes_a_group_of_an_aai_here(viewer, told, group_of):
    told(viewer, "cryo")
    group = group_of("cryo")
    with pytest.raises(Forbidden):
        services.put_person(viewer, group.pk, username="viewer")
    with pytest.raises(NotFound):
        services.take_person(viewer, group.pk, viewer.pk)


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "a\x00b"])
def test_a_group_needs_a_plain_name(manager, name):
    with pytest.raises(UserError):
        services.make_group(manager, name=name)


def test_an_unknown_person_is_told(manager, team):
    with pytest.raises(UserError) as refusal:
        services.put_person(manager, team.pk, username="nobody")
    assert refusal.value.code == "unknown_user"


@pytest.mark.parametrize("narrow", [{"scopes": ["read"]}, {"scopes": ["admin"], "projects": ["x"]}])
def test_a_narrow_token_keeps_no_group(manager, team, narrow):
    manager.token, _ = make_token(manager, label="x", **narrow)
    with pytest.raises(Forbidden):
        services.put_person(manager, team.pk, username="manager", keeper=True)
