from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.authentication import digest
from accounts.management.commands.create_token import end_of
from accounts.models import ApiToken
from accounts.scopes import Scope
from accounts.services import make_token, own_tokens, revoke_all, revoke_token
from common.errors import Forbidden, NotFound, UserError


def test_a_token_is_kept_as_a_hash_only(owner):
    token, secret = make_token(owner, label=" laptop ", scopes=[Scope.JOBS, Scope.READ])
    assert secret.startswith("ptl_")
    assert len(secret) == 47
    token.refresh_from_db()
    assert token.digest == digest(secret)
    assert secret not in str(ApiToken.objects.values_list())
    assert (token.label, token.scopes) == ("laptop", ["read", "jobs"])
    assert timedelta(days=89) < token.expires_at - timezone.now() <= timedelta(days=90)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"label": " "}, "bad_label"),
        ({"label": "x" * 101}, "bad_label"),
        ({"scopes": []}, "bad_scopes"),
        ({"scopes": ["root"]}, "bad_scopes"),
        ({"days": 0}, "bad_days"),
        ({"days": 366}, "bad_days"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(owner, change, code):
    with pytest.raises(UserError) as refusal:
        make_token(owner, **{"label": "x", "scopes": [Scope.READ]} | change)
    assert refusal.value.code == code
    assert not ApiToken.objects.exists()


def _with_token(user, **narrow):
    token, _ = make_token(user, label="held", scopes=narrow.pop("scopes", list(Scope)), **narrow)
    user.token = token
    return user


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        ({"scopes": [Scope.READ]}, {"scopes": [Scope.READ]}),
        ({"scopes": [Scope.ADMIN]}, {"scopes": [Scope.READ]}),
        ({"days": 10}, {"days": 11}),
        ({"projects": ["6a1f6b58-0000-4000-8000-000000000001"]}, {}),
        (
            {"projects": ["6a1f6b58-0000-4000-8000-000000000001"]},
            {"projects": ["6a1f6b58-0000-4000-8000-000000000002"]},
        ),
    ],
)
def test_a_token_makes_none_that_may_more(owner, held, asked):
    user = _with_token(owner, **held)
    with pytest.raises(Forbidden):
        make_token(user, **{"label": "more", "scopes": [Scope.READ]} | asked)


def test_a_token_with_admin_makes_a_narrower_one(owner):
    token, _ = make_token(_with_token(owner), label="less", scopes=[Scope.READ], days=1)
    assert token.scopes == ["read"]


def test_revoking_ends_a_token_for_good(owner, stranger):
    token, _ = make_token(owner, label="x", scopes=[Scope.READ])
    with pytest.raises(NotFound):
        revoke_token(stranger, token.pk)
    revoke_token(owner, token.pk)
    token.refresh_from_db()
    assert not token.usable
    ended = token.revoked_at
    revoke_token(owner, token.pk)
    token.refresh_from_db()
    assert token.revoked_at == ended


def test_a_narrow_token_ends_itself_but_no_other(owner):
    other, _ = make_token(owner, label="other", scopes=[Scope.READ])
    user = _with_token(owner, scopes=[Scope.READ])
    with pytest.raises(Forbidden):
        revoke_token(user, other.pk)
    revoke_token(user, user.token.pk)
    assert not ApiToken.objects.get(pk=user.token.pk).usable


def test_a_token_kept_to_projects_knows_and_ends_none_beyond_them(owner):
    here, there = uuid4(), uuid4()
    wide, _ = make_token(owner, label="wide", scopes=[Scope.READ])
    other, _ = make_token(owner, label="other", scopes=[Scope.READ], projects=[there])
    make_token(owner, label="near", scopes=[Scope.READ], projects=[here])
    user = _with_token(owner, scopes=list(Scope), projects=[here])
    assert {token.label for token in own_tokens(user)} == {"near", "held"}
    for beyond in (wide, other):
        with pytest.raises(NotFound):
            revoke_token(user, beyond.pk)
    assert revoke_all(user) == 2
    assert {token.label for token in ApiToken.objects.filter(revoked_at=None)} == {"wide", "other"}


def test_revoke_all_ends_only_ones_own(owner, stranger):
    make_token(owner, label="a", scopes=[Scope.READ])
    make_token(owner, label="b", scopes=[Scope.READ])
    kept, _ = make_token(stranger, label="c", scopes=[Scope.READ])
    assert revoke_all(owner) == 2
    assert revoke_all(owner) == 0
    assert ApiToken.objects.get(pk=kept.pk).usable


def test_create_token_prints_the_token_alone(owner):
    out = StringIO()
    call_command("create_token", user="owner", scope=["read"], expires="30d", stdout=out)
    secret = out.getvalue().removesuffix("\n")
    token = ApiToken.objects.get(digest=digest(secret))
    assert token.scopes == ["read"]
    assert token.expires_at - timezone.now() < timedelta(days=30)


def test_create_token_takes_a_day(owner):
    day = (timezone.now() + timedelta(days=40)).date()
    assert end_of(day.isoformat()).date() == day
    call_command("create_token", user="owner", expires=day.isoformat(), stdout=StringIO())
    assert ApiToken.objects.get().expires_at.date() == day


@pytest.mark.parametrize("words", [{"user": "nobody"}, {"expires": "soon"}, {"expires": "9999d"}, {"expires": "0d"}])
def test_create_token_says_what_is_wrong(owner, words):
    with pytest.raises(CommandError):
        call_command("create_token", **{"user": "owner"} | words)
    assert not ApiToken.objects.exists()
