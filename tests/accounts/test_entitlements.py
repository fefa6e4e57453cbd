"""Groups out of entitlements: the shapes of EGI Check-in and the Helmholtz AAI, and what must never count."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accounts.entitlements import LONGEST, MOST_GROUPS, Entitlement, name_of, parse, parse_all, typed
from common.errors import UserError

EGI = {"urn:mace:egi.eu": frozenset({"aai.egi.eu", ""})}
HELMHOLTZ = {"urn:geant:helmholtz.de": frozenset({"login.helmholtz.de"})}
BOTH = EGI | HELMHOLTZ


def group(*path, role="", namespace="urn:mace:egi.eu"):
    return Entitlement(namespace=namespace, path=path, role=role)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("urn:mace:egi.eu:group:cryo:role=member#aai.egi.eu", group("cryo", role="member")),
        ("urn:mace:egi.eu:group:demo.egi.eu:role=vm_operator#aai.egi.eu", group("demo.egi.eu", role="vm_operator")),
        ("urn:mace:egi.eu:group:openEO_test:edu.openEO:admins", group("openEO_test", "edu.openEO", "admins")),
        ("URN:MACE:egi.eu:group:Cryo:role=Member#aai.egi.eu", group("Cryo", role="Member")),
        ("urn:mace:egi.eu:group:group:res:role=m", group("group", "res", role="m")),
        ("urn:mace:egi.eu:group:a%2fb", group("a%2Fb")),
        ("urn:mace:egi.eu:group:evil%3Arole%3Dmanager", group("evil%3Arole%3Dmanager")),
        (
            "urn:geant:helmholtz.de:group:HZB:cryo#login.helmholtz.de",
            group("HZB", "cryo", namespace="urn:geant:helmholtz.de"),
        ),
    ],
)  # fmt: skip
def test_a_group_is_read(value, expected):
    assert parse(value, BOTH) == expected
    assert parse(expected.urn + ("#login.helmholtz.de" if "helmholtz" in value else ""), BOTH) == expected


@pytest.mark.parametrize(
    "value",
    [
        # another namespace, or one that only looks like a known one
        "urn:mace:egi.eu.evil.org:group:cryo",
        "urn:mace:evil:group:x:urn:mace:egi.eu:group:cryo#aai.egi.eu",
        "urn:mace:egi.eu:sub:group:cryo#aai.egi.eu",
        "urn:mace:EGI.eu:group:cryo#aai.egi.eu",
        "urn:mace:egi%2Eeu:group:cryo#aai.egi.eu",
        # a home institute's own groups, passed through
        "urn:geant:helmholtz.de:gfz:group:sensors#idp.gfz-potsdam.de",
        # another authority, none where one is asked for, or two
        "urn:mace:egi.eu:group:cryo#evil",
        "urn:mace:egi.eu:group:cryo#AAI.egi.eu",
        "urn:geant:helmholtz.de:group:cryo",
        "urn:mace:egi.eu:group:cryo#aai.egi.eu#x",
        "urn:mace:egi.eu:group:cryo#",
        # roles that are in the wrong place, empty or told twice
        "urn:mace:egi.eu:group:a:role=x:role=y",
        "urn:mace:egi.eu:group:a:role=x:sub",
        "urn:mace:egi.eu:group:role=admin",
        "urn:mace:egi.eu:group::role=admin",
        "urn:mace:egi.eu:group:cryo:role=",
        # characters that no name has
        "urn:mace:egi.eu:group:cryo\n",
        "urn:mace:egi.eu:group:cryo\n:role=manager#aai.egi.eu",
        "urn:mace:egi.eu:group:cry\u00f6",
        "urn:mace:egi.eu:group:with space",
        "urn:mace:egi.eu:group:cryo?=q",
        "urn:mace:egi.eu:group:a%2",
        "urn:mace:egi.eu:group:a/b",
        "urn:mace:egi.eu:group:",
        "urn:mace:egi.eu:group",
        " urn:mace:egi.eu:group:cryo",
        # no groups
        "urn:mace:egi.eu:res:store:proj:act:read,write#aai.egi.eu",
        "urn:mace:egi.eu:aai.egi.eu:member@fedcloud.egi.eu",
        "urn:mace:egi.eu:goc.egi.eu:100453G0:Site+Administrator@egi.eu",
        "https://example.org/entitlement",
        "",
        None,
        7,
        {"a": 1},
        ["urn:mace:egi.eu:group:cryo"],
        b"urn:mace:egi.eu:group:cryo",
        "urn:mace:egi.eu:group:" + "a" * LONGEST,
        "urn:mace:egi.eu:group:" + ":".join("a" * 17),
    ],
)
def test_anything_else_counts_for_nothing(value):
    assert parse(value, BOTH) is None
    assert parse_all({"entitlements": [value]}, BOTH) == frozenset()


def test_an_issuer_speaks_for_its_own_namespaces_only():
    assert parse("urn:mace:egi.eu:group:cryo#aai.egi.eu", HELMHOLTZ) is None
    assert parse("urn:mace:egi.eu:group:cryo#aai.egi.eu", {}) is None


def test_the_authority_is_no_part_of_the_group():
    assert parse("urn:mace:egi.eu:group:cryo", EGI) == parse("urn:mace:egi.eu:group:cryo#aai.egi.eu", EGI)


def test_both_claims_count():
    claims = {"entitlements": ["urn:mace:egi.eu:group:a"], "eduperson_entitlement": "urn:mace:egi.eu:group:b"}
    assert parse_all(claims, EGI) == {group("a"), group("b")}


@pytest.mark.parametrize("told", [None, 3, {}, "", "nonsense", [None, 3, {}, [], "x"], {"urn:mace:egi.eu:group:a": 1}])
def test_odd_claims_tell_no_group(told):
    assert parse_all({"entitlements": told}, EGI) == frozenset()
    assert parse_all({}, EGI) == frozenset()


def test_ten_thousand_values_are_bounded():
    many = [f"urn:mace:egi.eu:group:g{number}" for number in range(10_000)]
    found = parse_all({"entitlements": many}, EGI)
    assert len(found) == MOST_GROUPS
    assert group("g0") in found
    nonsense = ["x"] * 9_999 + ["urn:mace:egi.eu:group:last"]
    assert parse_all({"entitlements": nonsense}, EGI) == {group("last")}


def test_a_hostile_value_costs_no_more_than_its_length():
    hostile = [
        "urn:mace" + ":a" * 500,
        "urn:mace:egi.eu:group:" + "a:" * 490 + "!",
        "urn:mace:egi.eu:group:" + "%" * 900,
        "urn:mace" + ":group" * 160,
        "urn:mace" + ":a" * 20_000 + "\x00",
    ]
    began = time.process_time()
    for _ in range(20):
        for value in hostile:
            parse(value, BOTH)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cryo", "not an entitlement"),
        ("urn:mace:egi.eu:res:x", "not an entitlement"),
        ("urn:mace:else.org:group:x", "urn:mace:else.org"),
        ("urn:mace:egi.eu:group:x#evil", "evil"),
    ],
)
def test_a_pasted_entitlement_is_refused_with_its_reason(text, words):
    with pytest.raises(UserError) as refusal:
        typed(text, BOTH)
    assert refusal.value.code == "bad_entitlement"
    assert words in refusal.value.message
    assert refusal.value.hint


def test_a_pasted_entitlement_may_leave_the_authority_out():
    assert typed(" urn:geant:helmholtz.de:group:HZB \n", HELMHOLTZ).path == ("HZB",)


def test_a_name_for_people_is_decoded_and_harmless():
    assert name_of("HZB:a%2Fb") == "HZB / a/b"
    assert name_of("a%00%0Ab%E2%80%AE%FF") == "a\ufffd\ufffdb\ufffd\ufffd"


PIECES = st.sampled_from(
    ["urn", "mace", "egi.eu", "group", "res", "role=", "role=manager", "%3A", "%3arole%3Dx", ":", "::", "#",
     "#aai.egi.eu", "cryo", "\n", "\x00", "\u00f6", "?", "urn:mace:egi.eu:group:", "urn:mace:egi.eu", "%", "/"]
)  # fmt: skip
WORDS = st.lists(PIECES | st.text(max_size=6), max_size=14).map("".join)
VALUES = WORDS | WORDS.map(lambda text: "urn:mace:egi.eu:group:" + text)


@settings(max_examples=400, deadline=None)
@given(VALUES)
@example("urn:mace:egi.eu:group:evil%3Arole%3Dmanager")
def test_whatever_is_sent_a_group_is_exactly_what_was_written(value):
    found = parse(value, EGI)
    if found is None:
        return
    written = value.partition("#")[0]
    # Nothing was decoded, moved or dropped: put together again, it is what was sent.
    assert found.urn.lower() == written.lower()
    assert found.namespace == "urn:mace:egi.eu"
    assert not any(part.startswith("role=") or ":" in part or not part for part in found.path)
    assert parse(found.urn, EGI) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["entitlements", "eduperson_entitlement", "sub"]), JSON))
def test_no_claims_fail_a_login(claims):
    assert isinstance(parse_all(claims, BOTH), frozenset)
