import random
import uuid
from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone
from pymacaroons import Macaroon

from common.errors import Forbidden
from storage.links import tokens
from storage.links.rights import Activity
from storage.models import TransferLink


@pytest.fixture
def link():
    return TransferLink(path="raw", rights=["list", "read"], expires_at=timezone.now() + timedelta(days=1))


def narrowed(token, *caveats):
    """``token`` as a holder narrows it: without asking anybody."""
    macaroon = Macaroon.deserialize(token)
    for caveat in caveats:
        macaroon.add_first_party_caveat(caveat)
    return macaroon.serialize()


def refused(token, link_id):
    with pytest.raises(Forbidden) as told:
        tokens.read(token, link_id)
    return told.value.code


def test_a_fresh_token_is_short_enough_for_a_password_and_opens_what_its_row_says(link):
    token = tokens.mint(link)
    assert len(token) < 250
    assert tokens.read(token, link.pk) == tokens.Narrowing()


def test_a_holder_narrows_and_conditions_add_up(link):
    token = narrowed(
        tokens.mint(link), "activity:LIST,DOWNLOAD,UPLOAD", "activity:LIST", "before:2030-01-01T00:00:00Z",
        "before:2029-01-01T00:00:00+01:00", "ip:192.0.2.0/24,2001:db8::/32", "ip:192.0.2.7", "path:/a", "path:/b",
    )  # fmt: skip
    found = tokens.read(token, link.pk)
    assert found.activities == {Activity.LIST}
    assert found.before.isoformat() == "2029-01-01T00:00:00+01:00"
    assert [len(networks) for networks in found.networks] == [2, 1]
    assert found.limits == ("a", "a/b")


def test_a_root_moves_the_address_down_and_never_up(link):
    found = tokens.read(narrowed(tokens.mint(link), "root:/a", "path:/b", "root:/c"), link.pk)
    assert found.root == "a/c"
    assert found.limits == ("a/b",)


def test_a_token_that_was_widened_is_refused(link):
    macaroon = Macaroon.deserialize(narrowed(tokens.mint(link), "activity:LIST"))
    macaroon.caveats = []
    assert refused(macaroon.serialize(), link.pk) == "bad_link_token"
    changed = Macaroon.deserialize(narrowed(tokens.mint(link), "activity:LIST"))
    changed.caveats[0].caveat_id = b"activity:LIST,DOWNLOAD,UPLOAD,DELETE,MANAGE"
    assert refused(changed.serialize(), link.pk) == "bad_link_token"


def test_a_token_of_another_key_or_link_is_refused(link):
    forged = Macaroon(location="here", identifier=str(link.pk), key="guessed").serialize()
    assert refused(forged, link.pk) == "bad_link_token"
    assert refused(tokens.mint(link), uuid.uuid4()) == "bad_link_token"
    renamed = Macaroon.deserialize(tokens.mint(link))
    renamed.identifier = str(uuid.uuid4())
    assert refused(renamed.serialize(), uuid.UUID(renamed.identifier)) == "bad_link_token"


def test_a_third_partys_condition_is_refused(link):
    macaroon = Macaroon.deserialize(tokens.mint(link))
    macaroon.add_third_party_caveat("elsewhere", "their key", "who")
    assert refused(macaroon.serialize(), link.pk) == "bad_link_token"


@pytest.mark.parametrize(
    "caveat",
    [
        "colour:blue", "activity:FLY", "activity:", "before:soon", "before:", "ip:the lab", "ip:", "path:../x",
        "root:/..", "path:/a/../../b", "path:.portolan", "home:/..", "", "activity", "PATH:/a", " path:/a",
        "path:a\\b", "path:\x00",
    ],
)  # fmt: skip
def test_a_condition_that_is_not_understood_is_refused(link, caveat):
    assert refused(narrowed(tokens.mint(link), caveat), link.pk) == "unknown_caveat"


def test_garbage_is_refused(link):
    token, chance = tokens.mint(link), random.Random(3)
    for at in range(0, len(token) - 4, 7):
        assert refused(token[:at], link.pk) == "bad_link_token"
    same = tokens.read(token, link.pk)
    for _ in range(200):
        letters = list(token)
        letters[chance.randrange(len(letters))] = chance.choice("ABCDEFGHabcdefgh0123-_{")
        with suppress(Forbidden):  # the location is a hint and not signed; nothing else may change
            assert tokens.read("".join(letters), link.pk) == same
    for text in ("", "é", "{}", "[]", "x" * 9000, '{"v":2}', "\x00"):
        assert refused(text, link.pk) == "bad_link_token"


def test_a_token_with_very_many_conditions_is_refused(link):
    assert refused(narrowed(tokens.mint(link), *["home:/"] * 101), link.pk) == "bad_link_token"
