"""Groups have roles: who gets which, until when, and how it ends."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from accounts.groups import groups_of
from accounts.models import Group, User
from accounts.services import make_token
from common.errors import Forbidden, NotFound, PortolanError
from projects import services
from projects.models import AuditEvent, GroupGrant, Project
from projects.permissions import get_project, people_with_roles, role_in, roles_by_person
from projects.roles import Action, Role
from projects.services import Wish
from projects.services.grants import seats_of

CRYO = "urn:mace:egi.eu:group:cryo"


def wish(**change):
    return Wish(**{"entitlement": CRYO, "role": "contributor", "purpose": "beam time 7"} | change)


@pytest.fixture
def grant(bare_project, owner):
    return lambda **change: services.grant_group(owner, bare_project.pk, wish(**change))


def role(user, project):
    return role_in(User.objects.get(pk=user.pk), project)


def test_who_is_in_the_group_has_its_role_and_sees_the_project(bare_project, grant, stranger, told):
    grant()
    assert role(stranger, bare_project) is None
    told(stranger, "cryo")
    assert role(stranger, bare_project) is Role.CONTRIBUTOR
    assert get_project(stranger, Action.RUN, bare_project.pk) == bare_project
    assert list(Project.objects.visible_to(stranger)) == [bare_project]
    with pytest.raises(Forbidden):
        get_project(stranger, Action.MANAGE, bare_project.pk)


def test_an_entitlement_that_is_gone_takes_the_role_with_it(bare_project, grant, stranger, told):
    grant()
    told(stranger, "cryo")
    told(stranger)
    with pytest.raises(NotFound):
        get_project(stranger, Action.VIEW, bare_project.pk)


@pytest.mark.parametrize(
    ("change", "entitlement", "expected"),
    [
        ({}, "cryo", True),
        ({}, "cryo:role=member", True),
        ({}, "cryo:role=vm_operator", True),
        ({}, "cryo:krios", False),
        ({}, "cryo2", False),
        ({"with_subgroups": True}, "cryo:krios:night:role=x", True),
        ({"with_subgroups": True}, "cryo2:cryo", False),
        ({"aai_role": "pi"}, "cryo:role=pi", True),
        ({"aai_role": "pi"}, "cryo", False),
        ({"aai_role": "pi"}, "cryo:role=PI", False),
        ({"aai_role": "pi"}, "cryo:krios:role=pi", False),
        ({"entitlement": f"{CRYO}:role=pi#aai.egi.eu"}, "cryo:role=pi", True),
        ({"entitlement": f"{CRYO}:role=pi#aai.egi.eu"}, "cryo:role=member", False),
        ({"entitlement": f"{CRYO}:role=member"}, "cryo", True),
        ({"entitlement": f"{CRYO}:krios"}, "cryo", False),
        ({"entitlement": f"{CRYO}:krios"}, "cryo:krios", True),
    ],
)
def test_a_grant_reaches_just_whom_it_names(bare_project, grant, stranger, told, change, entitlement, expected):
    grant(**change)
    told(stranger, entitlement)
    assert (role(stranger, bare_project) is not None) is expected
    assert (stranger in [user for user, _ in people_with_roles(bare_project)]) is expected
    assert Project.objects.visible_to(stranger).exists() is expected


@pytest.mark.parametrize(
    ("change", "entitlement", "expected"),
    [
        ({}, "cryo:role=member", True),
        ({}, "cryo", False),
        ({}, "cryo:role=vm_operator", False),
        ({"with_subgroups": True}, "cryo:role=vm_operator", False),
        ({"with_subgroups": True}, "cryo:krios:role=pi", False),
        ({"with_subgroups": True}, "cryo:krios:role=member", True),
        ({"aai_role": "vm_operator"}, "cryo:role=vm_operator", True),
    ],
)
def test_where_a_proxy_says_membership_by_a_role_only_that_role_counts(
    bare_project, grant, stranger, told, settings, change, entitlement, expected
):
    settings.OIDC = {"OIDC_PROVIDERS": "egi", "OIDC_EGI_CLIENT_ID": "x", "OIDC_EGI_CLIENT_SECRET": "y"}
    made = grant(**change)
    told(stranger, entitlement)
    assert (role(stranger, bare_project) is not None) is expected
    assert seats_of(made).exists() is expected
    assert groups_of(stranger).filter(path="cryo").exists() is (expected and not change.get("aai_role"))


def test_the_strongest_role_counts_and_the_other_stays(bare_project, grant, viewer, told):
    made = grant()
    told(viewer, "cryo")
    assert role(viewer, bare_project) is Role.CONTRIBUTOR
    assert Project.objects.visible_to(viewer).with_role(viewer).get().my_role == "contributor"
    services.remove_grant(viewer_of(bare_project, "owner"), bare_project.pk, made.pk)
    assert role(viewer, bare_project) is Role.VIEWER
    assert Project.objects.visible_to(viewer).with_role(viewer).get().my_role == "viewer"


def viewer_of(project, name):
    return project.memberships.get(user__username=name).user


def test_a_grant_ends_on_its_day(bare_project, grant, stranger, told):
    made = grant(until=timezone.now() + timedelta(days=1))
    told(stranger, "cryo")
    assert role(stranger, bare_project) is Role.CONTRIBUTOR
    GroupGrant.objects.filter(pk=made.pk).update(until=timezone.now() - timedelta(seconds=1))
    assert role(stranger, bare_project) is None
    assert roles_by_person(bare_project).get(stranger.pk) is None


def test_a_suspended_person_has_no_role(bare_project, grant, stranger, viewer, told):
    grant()
    told(stranger, "cryo")
    User.objects.update(is_active=False)
    for user in (stranger, viewer):
        assert role(user, bare_project) is None
        assert not Project.objects.visible_to(user).exists()
    assert people_with_roles(bare_project) == []


def test_a_token_reaches_as_far_as_the_group_and_no_longer(bare_project, grant, stranger, told):
    grant()
    told(stranger, "cryo")
    stranger.token, _ = make_token(stranger, label="x", scopes=["read"])
    assert get_project(stranger, Action.VIEW, bare_project.pk)
    GroupGrant.objects.all().delete()
    with pytest.raises(NotFound):
        get_project(stranger, Action.VIEW, bare_project.pk)


def test_the_preview_counts_people_and_says_what_they_get(bare_project, owner, stranger, viewer, manager, told):
    for user in (stranger, viewer, manager):
        told(user, "cryo")
    told(owner, "tomo")
    before = services.preview_grant(owner, bare_project.pk, wish(entitlement="urn:mace:egi.eu:group:cryo:x"))
    assert (before.people, before.names) == (0, [])
    preview = services.preview_grant(owner, bare_project.pk, wish())
    assert (preview.people, preview.gaining, preview.names) == (3, 2, [])
    assert preview.sentence.startswith("3 people get: view, download, ")
    assert preview.sentence.endswith("; not manage people, archive and name owners.")
    assert not GroupGrant.objects.exists()
    assert not Group.objects.filter(path="cryo:x").exists()


def test_names_are_told_to_who_is_in_the_group(bare_project, owner, stranger, told, group_of):
    told(owner, "cryo")
    told(stranger, "cryo")
    preview = services.preview_grant(owner, bare_project.pk, wish(entitlement="", group=group_of("cryo").pk))
    assert preview.names == ["owner", "stranger"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"role": "king"}, "bad_role"),
        ({"role": "owner"}, "bad_role"),
        ({"purpose": "  "}, "bad_purpose"),
        ({"purpose": "x" * 301}, "bad_purpose"),
        ({"purpose": "a\x00b"}, "bad_purpose"),
        ({"until": timezone.now() - timedelta(days=1)}, "bad_until"),
        ({"entitlement": ""}, "bad_grant"),
        ({"with_subgroups": True, "aai_role": "pi"}, "bad_grant"),
        ({"entitlement": "cryo"}, "bad_entitlement"),
        ({"entitlement": "urn:mace:else.org:group:cryo"}, "bad_entitlement"),
        ({"issuer": "https://evil.example.org"}, "bad_entitlement"),
        ({"entitlement": "", "group": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1eff"}, "group_not_found"),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused_also_in_the_preview(bare_project, owner, change, code):
    for act in (services.preview_grant, services.grant_group):
        with pytest.raises(PortolanError) as refusal:
            act(owner, bare_project.pk, wish(**change))
        assert refusal.value.code == code
    assert not AuditEvent.objects.exists()


def test_a_group_that_one_cannot_see_is_not_there(bare_project, manager, stranger, told, group_of):
    told(stranger, "cryo")
    with pytest.raises(NotFound):
        services.grant_group(manager, bare_project.pk, wish(entitlement="", group=group_of("cryo").pk))


def test_one_group_is_granted_once(bare_project, grant):
    grant()
    with pytest.raises(PortolanError) as refusal:
        grant(role="viewer")
    assert refusal.value.code == "already_granted"
    grant(aai_role="pi", role="manager")


def test_who_may_not_manage_grants_nothing(bare_project, grant, contributor, stranger):
    made = grant()
    for user, error in ((contributor, Forbidden), (stranger, NotFound)):
        for act in (
            lambda user=user: services.grant_group(user, bare_project.pk, wish()),
            lambda user=user: services.preview_grant(user, bare_project.pk, wish()),
            lambda user=user: services.remove_grant(user, bare_project.pk, made.pk),
            lambda user=user: services.change_grant(
                user, bare_project.pk, made.pk, role="viewer", purpose="x", until=None
            ),
        ):
            with pytest.raises(error):
                act()


def test_a_group_of_owners_does_not_count_as_an_owner(bare_project, grant, owner, told):
    grant(role="manager")
    told(owner, "cryo")
    with pytest.raises(PortolanError) as refusal:
        services.leave_project(owner, bare_project.pk)
    assert refusal.value.code == "last_owner"


def test_every_change_says_who_whom_what_why_until(bare_project, grant, owner):
    until = timezone.now() + timedelta(days=30)
    made = grant(until=until)
    services.change_grant(owner, bare_project.pk, made.pk, role="viewer", purpose="reading", until=None)
    services.remove_grant(owner, bare_project.pk, made.pk)
    events = list(AuditEvent.objects.order_by("id"))
    assert [(event.actor_name, event.action, event.subject) for event in events] == [
        ("owner", "grant.added", "cryo"),
        ("owner", "grant.changed", "cryo"),
        ("owner", "grant.removed", "cryo"),
    ]
    added = SimpleNamespace(**events[0].details)
    assert (added.role, added.purpose, added.group) == ("contributor", "beam time 7", CRYO)
    assert added.until == until.isoformat()
    assert events[1].details["before"] == {"role": "contributor", "until": until.isoformat()}


def test_the_role_costs_one_query_however_many_reasons_there_are(
    bare_project, owner, stranger, told, django_assert_num_queries
):
    for number in range(12):
        services.grant_group(owner, bare_project.pk, wish(entitlement=f"{CRYO}{number}", role="viewer"))
    told(stranger, *(f"cryo{number}:role={word}" for number in range(12) for word in ("a", "b", "member")))
    with django_assert_num_queries(1):
        assert role_in(stranger, bare_project) is Role.VIEWER
    with django_assert_num_queries(1):
        assert [found.my_role for found in Project.objects.visible_to(stranger).with_role(stranger)] == ["viewer"]


def test_looking_as_a_weaker_role_only_narrows(bare_project, owner, viewer):
    owner.seen_as = (bare_project.pk, "viewer")
    viewer.seen_as = (bare_project.pk, "owner")
    for user in (owner, viewer):
        assert role_in(user, bare_project) is Role.VIEWER
        assert Project.objects.visible_to(user).with_role(user).get().my_role == "viewer"
        with pytest.raises(Forbidden):
            get_project(user, Action.WRITE, bare_project.pk)
