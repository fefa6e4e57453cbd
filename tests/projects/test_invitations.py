"""Invitations: one use, an end, no secret at rest, and no more right than who sent them has."""

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.utils import timezone

from accounts.authentication import digest
from accounts.models import User
from accounts.services import make_token
from common.errors import Forbidden, NotFound, PortolanError, StateConflict
from projects import services
from projects.models import AuditEvent, Invitation, Membership
from projects.permissions import role_in
from projects.roles import Role


@pytest.fixture
def invite(bare_project, manager):
    def made(**change):
        words = {"email": "new@example.org", "role": "contributor", "purpose": "beam time"} | change
        return services.invite(manager, bare_project.pk, **words)

    return made


def code(invited):
    return digest(invited.link.partition("?code=")[2])


def test_the_link_goes_by_mail_and_only_its_hash_is_kept(invite):
    invited = invite()
    secret = invited.link.partition("?code=")[2]
    assert len(secret) == 43
    assert invited.mailed
    assert mail.outbox[0].to == ["new@example.org"]
    assert invited.link in mail.outbox[0].body
    assert secret not in str(list(Invitation.objects.values_list()))
    assert secret not in str(list(AuditEvent.objects.values_list("details", "subject")))


def test_who_accepts_is_a_member_and_the_trail_says_how(bare_project, invite, stranger):
    until = timezone.now() + timedelta(days=30)
    services.accept_invitation(stranger, code(invite(until=until)))
    member = Membership.objects.get(user=stranger)
    assert (member.role, member.until, member.purpose) == ("contributor", until, "beam time")
    assert member.granted_by.username == "manager"
    event = AuditEvent.objects.get(action="invitation.accepted")
    assert (event.actor_name, event.subject) == ("stranger", "stranger")
    assert (event.details["sent_to"], event.details["invited_by"]) == ("new@example.org", "manager")


def test_a_link_works_once(invite, stranger):
    invited = invite()
    services.accept_invitation(stranger, code(invited))
    other = User.objects.create_user("other")
    with pytest.raises(StateConflict) as refusal:
        services.accept_invitation(other, code(invited))
    assert refusal.value.code == "invitation_used"
    assert not Membership.objects.filter(user=other).exists()


def test_a_link_that_was_taken_back_or_has_ended_is_refused(bare_project, invite, manager, stranger):
    taken, ended = invite(), invite()
    services.revoke_invitation(manager, bare_project.pk, taken.invitation.pk)
    Invitation.objects.filter(pk=ended.invitation.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    for invited, expected in ((taken, "invitation_revoked"), (ended, "invitation_ended")):
        with pytest.raises(StateConflict) as refusal:
            services.accept_invitation(stranger, code(invited))
        assert refusal.value.code == expected
    with pytest.raises(NotFound):
        services.accept_invitation(stranger, digest("made up"))


def test_an_invitation_dies_with_the_right_of_who_sent_it(bare_project, owner, invite, manager, stranger):
    first, second = invite(role="manager"), invite()
    services.change_member(owner, bare_project.pk, manager.pk, role="contributor", until=None)
    for invited in (first, second):
        with pytest.raises(StateConflict) as refusal:
            services.accept_invitation(stranger, code(invited))
        assert refusal.value.code == "invitation_void"
    User.objects.filter(pk=manager.pk).update(is_active=False)
    with pytest.raises(StateConflict):
        services.accept_invitation(stranger, code(first))


def test_who_is_in_already_uses_no_link_up(bare_project, invite, contributor, viewer):
    invited = invite()
    with pytest.raises(StateConflict) as refusal:
        services.accept_invitation(contributor, code(invited))
    assert refusal.value.code == "already_member"
    services.accept_invitation(viewer, code(invited))
    assert role_in(viewer, bare_project) is Role.CONTRIBUTOR


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"email": "nobody"}, "bad_email"),
        ({"email": "a@b.org\nBcc: x@y.org"}, "bad_email"),
        ({"role": "king"}, "bad_role"),
        ({"role": "owner"}, "role_too_weak"),
        ({"days": 0}, "bad_days"),
        ({"days": 61}, "bad_days"),
        ({"purpose": "a\x00b"}, "bad_purpose"),
        ({"until": timezone.now() - timedelta(days=1)}, "bad_until"),
    ],
)
def test_an_invitation_that_makes_no_sense_is_refused(invite, change, expected):
    with pytest.raises(PortolanError) as refusal:
        invite(**change)
    assert refusal.value.code == expected
    assert not Invitation.objects.exists()
    assert not mail.outbox


def test_only_who_manages_invites_and_sees_invitations(bare_project, invite, contributor, stranger):
    made = invite().invitation
    for user, error in ((contributor, Forbidden), (stranger, NotFound)):
        with pytest.raises(error):
            services.invite(user, bare_project.pk, email="a@b.org", role="viewer")
        with pytest.raises(error):
            services.invitations_of(user, bare_project.pk)
        with pytest.raises(error):
            services.revoke_invitation(user, bare_project.pk, made.pk)


def test_a_narrow_token_accepts_nothing(invite, stranger):
    invited = invite()
    stranger.token, _ = make_token(stranger, label="x", scopes=["read", "jobs"])
    with pytest.raises(Forbidden):
        services.accept_invitation(stranger, code(invited))


class NoServer(BaseEmailBackend):
    """A mail server that is not there."""

    def send_messages(self, messages):
        raise ConnectionRefusedError


def test_without_a_mail_server_the_link_is_still_there(invite, settings):
    settings.EMAIL_BACKEND = "tests.projects.test_invitations.NoServer"
    invited = invite()
    assert not invited.mailed
    assert invited.link


@pytest.mark.locks
@pytest.mark.django_db(transaction=True)
def test_two_who_open_one_link_at_once_are_one_member(owner, stranger, viewer):
    project = services.create_project(owner, name="One link")
    used = code(services.invite(owner, project.pk, email="a@b.org", role="viewer"))
    ready, refused = threading.Barrier(2), []

    def accept(user):
        ready.wait(10)
        try:
            services.accept_invitation(user, used)
        except StateConflict as error:
            refused.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=accept, args=(user,)) for user in (stranger, viewer)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert refused == ["invitation_used"]
    assert Membership.objects.filter(project=project).count() == 2
