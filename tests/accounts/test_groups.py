"""Groups as the AAI told them at the last login or refresh."""

import threading

import pytest
from django.db import connection

from accounts.groups import groups_of, refresh_groups
from accounts.models import ExternalIdentity, Group, Seat

ISSUER, OTHER = "https://aai.egi.eu/auth/realms/egi", "https://login.helmholtz.de/oauth2"


@pytest.fixture
def identity(viewer):
    return ExternalIdentity.objects.create(user=viewer, issuer=ISSUER, subject="1@egi.eu")


def egi(*paths):
    return {"eduperson_entitlement": [f"urn:mace:egi.eu:group:{path}#aai.egi.eu" for path in paths]}


def names(user):
    return {group.path for group in groups_of(user)}


def told(user):
    seats = Seat.objects.in_force().filter(user=user)
    return {(seat.group.path, seat.role, seat.direct) for seat in seats.select_related("group")}


def test_a_login_puts_one_into_the_groups_and_those_around_them(identity, viewer):
    refresh_groups(identity, egi("cryo:krios:role=member", "tomo"))
    assert told(viewer) == {("cryo:krios", "member", True), ("cryo", "", False), ("tomo", "", True)}
    assert names(viewer) == {"cryo:krios", "cryo", "tomo"}


def test_an_entitlement_that_is_gone_ends_at_once_and_can_come_back(identity, viewer):
    refresh_groups(identity, egi("cryo", "tomo"))
    refresh_groups(identity, egi("tomo"))
    assert names(viewer) == {"tomo"}
    assert Seat.objects.exclude(ended_at=None).get().group.path == "cryo"
    refresh_groups(identity, egi("cryo"))
    assert names(viewer) == {"cryo"}
    assert Seat.objects.count() == 2


@pytest.mark.parametrize("claims", [{}, {"entitlements": None}, {"entitlements": "nonsense"}, {"entitlements": {}}])
def test_claims_without_a_group_end_all(identity, viewer, claims):
    refresh_groups(identity, egi("cryo"))
    refresh_groups(identity, claims)
    assert names(viewer) == set()


def test_claims_that_may_be_narrowed_end_nothing(identity, viewer):
    refresh_groups(identity, egi("cryo"))
    refresh_groups(identity, egi("tomo"), complete=False)
    assert names(viewer) == {"cryo", "tomo"}


def test_two_identities_of_one_person_are_counted_each_for_itself(identity, viewer):
    other = ExternalIdentity.objects.create(user=viewer, issuer=OTHER, subject="2")
    refresh_groups(identity, egi("cryo"))
    refresh_groups(other, {"entitlements": ["urn:geant:helmholtz.de:group:HZB#login.helmholtz.de", *egi("x")]})
    assert names(viewer) == {"cryo", "HZB"}
    refresh_groups(other, {})
    assert names(viewer) == {"cryo"}


def test_the_same_name_at_another_issuer_is_another_group(identity, viewer, stranger, settings):
    table = settings.GROUP_NAMESPACES
    settings.GROUP_NAMESPACES = {**table, "https://other.example.org": table[ISSUER]}
    theirs = ExternalIdentity.objects.create(user=stranger, issuer="https://other.example.org", subject="1@egi.eu")
    refresh_groups(identity, egi("cryo"))
    refresh_groups(theirs, egi("cryo"))
    assert Group.objects.filter(path="cryo").count() == 2
    assert not groups_of(viewer).filter(pk__in=groups_of(stranger)).exists()


def test_an_unknown_issuer_tells_no_groups(viewer):
    identity = ExternalIdentity.objects.create(user=viewer, issuer="https://evil.example.org", subject="1")
    refresh_groups(identity, egi("cryo"))
    assert not Group.objects.exists()


def test_a_suspended_person_is_in_no_group(identity, viewer):
    refresh_groups(identity, egi("cryo"))
    viewer.is_active = False
    viewer.save()
    assert names(viewer) == set()


def test_an_identity_that_moves_takes_its_groups_along(identity, viewer, stranger):
    refresh_groups(identity, egi("cryo", "tomo"))
    identity.user = stranger
    identity.save()
    refresh_groups(identity, egi("cryo"))
    assert (names(viewer), names(stranger)) == (set(), {"cryo"})


def test_a_refresh_that_brings_nothing_new_is_cheap(identity, django_assert_max_num_queries):
    refresh_groups(identity, egi(*(f"g{number}" for number in range(300))))
    with django_assert_max_num_queries(6):
        refresh_groups(identity, egi(*(f"g{number}" for number in range(300))))


def test_ten_thousand_entitlements_are_taken_within_bounds(identity, viewer):
    refresh_groups(identity, egi(*(f"g{number}" for number in range(10_000))))
    assert len(names(viewer)) == 2_000


@pytest.mark.locks
@pytest.mark.django_db(transaction=True)
def test_two_refreshes_at_once_leave_what_one_of_them_told(viewer):
    identity = ExternalIdentity.objects.create(user=viewer, issuer=ISSUER, subject="1@egi.eu")
    ready, failed = threading.Barrier(2), []

    def refresh(*paths):
        ready.wait(10)
        try:
            refresh_groups(identity, egi(*paths))
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=refresh, args=paths) for paths in (("a", "b"), ("b", "c"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert names(viewer) in ({"a", "b"}, {"b", "c"})
