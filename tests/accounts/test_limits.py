import pytest

from accounts import limits
from accounts.limits import Limit, place_of
from accounts.scopes import Scope
from accounts.services import make_token

ME = "/api/v1/me/"
LONG = 10**9  # a window that does not end while a test runs


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr("accounts.authentication.REFUSALS", Limit(name="refused-tokens", most=3, seconds=LONG))


def ask(client, secret, address="192.0.2.1"):
    return client.get(ME, headers={"Authorization": f"Bearer {secret}"}, REMOTE_ADDR=address)


def test_a_limit_is_counted_for_each_apart():
    limit = Limit(name="x", most=2, seconds=LONG)
    rooms = [limit.take("a") for _ in range(3)]
    assert [room.over for room in rooms] == [False, False, True]
    assert [room.headers()["RateLimit-Remaining"] for room in rooms] == ["1", "0", "0"]
    assert not limit.take("b").over
    assert [limit.look("b").over, limit.look("a").over] == [False, True]


def test_an_address_that_sends_wrong_tokens_has_to_wait(client, db, few):
    answers = [ask(client, f"ptl_wrong{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[-1].json()["code"] == "too_many_refusals"
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert ask(client, "ptl_wrong", address="192.0.2.2").status_code == 401


def test_a_good_token_goes_on_working_beside_wrong_ones(client, owner, few):
    _, secret = make_token(owner, label="x", scopes=[Scope.READ])
    for number in range(5):
        ask(client, f"ptl_wrong{number}")
    assert ask(client, secret).status_code == 200


def test_one_customer_with_many_addresses_is_one(client, db, few):
    answers = [ask(client, "ptl_wrong", address=f"2001:db8::{number}").status_code for number in range(1, 5)]
    assert answers[-1] == 429
    assert ask(client, "ptl_wrong", address="2001:db8:0:1::1").status_code == 401


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "unknown"),
        ("a name", "unknown"),
    ],
)
def test_whom_an_address_is_counted_as(address, place):
    assert place_of(address) == place


@pytest.mark.parametrize("secret", ["x" * 16_385, "ptl_" + "x" * 100_000])
def test_a_token_over_16_kb_is_refused_unread(client, db, django_assert_num_queries, secret):
    with django_assert_num_queries(0):
        refused = ask(client, secret)
    assert (refused.status_code, refused.json()["code"]) == (401, "token_too_long")


def test_the_limits_are_those_that_are_documented():
    assert (limits.TOKENS.most, limits.TOKENS.seconds) == (30, 3600)
    assert (limits.REFUSALS.most, limits.REFUSALS.seconds) == (60, 300)
