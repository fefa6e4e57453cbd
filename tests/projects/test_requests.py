"""Requests for access: a stranger learns nothing by asking, and a manager answers in one go."""

from uuid import uuid4

import pytest
from django.core import mail

from accounts.services import make_token
from common.errors import Forbidden, NotFound, PortolanError, StateConflict, TooOften, UserError
from projects import notices, services
from projects.models import AccessRequest, AuditEvent, Membership


@pytest.fixture
def asked(bare_project, stranger):
    return services.request_access(stranger, bare_project.pk, purpose="I took the data")


def test_asking_tells_a_stranger_nothing(bare_project, stranger):
    there = services.request_access(stranger, bare_project.pk, purpose="I took the data")
    nowhere = services.request_access(stranger, uuid4(), purpose="I took the data")
    told = [(one.state, one.purpose, one.answer, one.decided_at) for one in (there, nowhere)]
    assert told[0] == told[1]
    assert list(services.my_requests(stranger)) == [nowhere, there]
    services.withdraw_request(stranger, there.pk)
    services.withdraw_request(stranger, nowhere.pk)


def test_asking_twice_is_asking_once(bare_project, stranger, asked):
    assert services.request_access(stranger, bare_project.pk, purpose="again") == asked
    assert AccessRequest.objects.count() == 1


def test_a_manager_approves_and_the_trail_says_why(bare_project, manager, stranger, asked):
    services.approve_request(manager, bare_project.pk, asked.pk, role="contributor")
    member = Membership.objects.get(user=stranger)
    assert (member.role, member.purpose, member.granted_by) == ("contributor", "I took the data", manager)
    event = AuditEvent.objects.get()
    assert (event.actor_name, event.action, event.subject) == ("manager", "access.approved", "stranger")
    assert event.details["purpose"] == "I took the data"


def test_a_manager_declines_with_a_word(bare_project, manager, stranger, asked):
    services.decline_request(manager, bare_project.pk, asked.pk, answer="Ask your group leader first.")
    mine = services.my_requests(stranger).get()
    assert (mine.state, mine.answer) == ("declined", "Ask your group leader first.")
    assert not Membership.objects.filter(user=stranger).exists()


def test_a_request_is_answered_once(bare_project, manager, owner, stranger, asked):
    services.decline_request(manager, bare_project.pk, asked.pk)
    for act in (
        lambda: services.approve_request(owner, bare_project.pk, asked.pk, role="viewer"),
        lambda: services.decline_request(owner, bare_project.pk, asked.pk),
    ):
        with pytest.raises(StateConflict):
            act()
    with pytest.raises(NotFound):
        services.withdraw_request(stranger, asked.pk)
    assert not Membership.objects.filter(user=stranger).exists()


def test_a_manager_makes_no_owner_of_who_asks(bare_project, manager, asked):
    with pytest.raises(Forbidden):
        services.approve_request(manager, bare_project.pk, asked.pk, role="owner")
    asked.refresh_from_db()
    assert asked.state == "waiting"


def test_only_who_manages_sees_and_answers(bare_project, contributor, stranger, asked):
    for user, error in ((contributor, Forbidden), (stranger, NotFound)):
        for act in (
            lambda user=user: services.requests_to(user, bare_project.pk),
            lambda user=user: services.approve_request(user, bare_project.pk, asked.pk, role="viewer"),
            lambda user=user: services.decline_request(user, bare_project.pk, asked.pk),
        ):
            with pytest.raises(error):
                act()


def test_a_request_to_another_project_is_not_answered_here(bare_project, owner, asked):
    other = services.create_project(owner, name="Other")
    with pytest.raises(NotFound):
        services.approve_request(owner, other.pk, asked.pk, role="viewer")


def test_a_member_need_not_ask(bare_project, viewer):
    with pytest.raises(StateConflict) as refusal:
        services.request_access(viewer, bare_project.pk, purpose="x")
    assert refusal.value.code == "already_member"


@pytest.mark.parametrize("purpose", ["", "  ", "x" * 301, "a\x00b"])
def test_a_purpose_is_needed(bare_project, stranger, purpose):
    with pytest.raises(UserError):
        services.request_access(stranger, bare_project.pk, purpose=purpose)


def test_nobody_asks_without_end(stranger):
    for _ in range(20):
        services.request_access(stranger, uuid4(), purpose="x")
    with pytest.raises(TooOften):
        services.request_access(stranger, uuid4(), purpose="x")


def test_a_narrow_token_asks_for_nothing(bare_project, stranger):
    stranger.token, _ = make_token(stranger, label="x", scopes=["read"])
    with pytest.raises(PortolanError):
        services.request_access(stranger, bare_project.pk, purpose="x")


def test_managers_are_told_by_mail_and_so_is_who_asked(bare_project, manager, asked):
    assert notices.tell_managers(asked)
    assert sorted(mail.outbox[0].bcc) == ["manager@example.org", "owner@example.org"]
    assert "I took the data" in mail.outbox[0].body
    services.approve_request(manager, bare_project.pk, asked.pk, role="viewer")
    asked.refresh_from_db()
    assert notices.tell_requester(asked)
    assert mail.outbox[1].to == ["stranger@example.org"]


def test_a_request_to_nowhere_tells_nobody(stranger):
    nowhere = services.request_access(stranger, uuid4(), purpose="x")
    assert not notices.tell_managers(nowhere)
    assert not mail.outbox
