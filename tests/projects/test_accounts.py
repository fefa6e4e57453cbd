"""Accounts, for operators: found, looked at, suspended, opened again."""

import pytest
from django.test import Client

from accounts.models import ApiToken, ExternalIdentity, User
from accounts.scopes import Scope
from accounts.services import make_token
from common.errors import NotFound, StateConflict, UserError
from projects.models import AuditEvent
from projects.permissions import people_with_roles, role_in
from projects.services import accounts

pytestmark = pytest.mark.django_db
WHY = "The laptop was stolen."


@pytest.fixture
def identity(viewer) -> ExternalIdentity:
    return ExternalIdentity.objects.create(
        user=viewer, issuer="https://aai.egi.eu/auth/realms/egi", subject="x1@egi.eu"
    )


def bearer(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_token(user, label='t', scopes=list(Scope))[1]}"})


@pytest.mark.parametrize("search", ["viewer", "VIEWER@example.org", "aai.egi.eu", "x1@egi.eu", "view egi"])
def test_an_account_is_found_by_any_of_its_names(operator, viewer, owner, identity, search):
    assert list(accounts.accounts(operator, search=search)) == [viewer]


def test_counts_are_of_what_is_in_force(operator, project, viewer, identity):
    make_token(viewer, label="a", scopes=[Scope.READ])
    make_token(viewer, label="b", scopes=[Scope.READ])
    ApiToken.objects.filter(label="b").update(revoked_at="2020-01-01T00:00Z")
    found = accounts.account(operator, viewer.pk)
    assert (found.project_count, found.token_count) == (1, 1)


def test_the_list_costs_the_same_with_many_accounts(operator, browser_of, django_assert_max_num_queries):
    browser = browser_of(operator)
    User.objects.bulk_create(User(username=f"u{number}") for number in range(60))
    with django_assert_max_num_queries(4):
        page = browser.get("/operator/accounts/")
    assert "More accounts" in page.text


def test_suspending_ends_pages_sessions_tokens_and_roles_at_once(operator, project, contributor, browser_of):
    browser, script = browser_of(contributor), bearer(contributor)
    assert browser.get(f"/projects/{project.pk}/people/").status_code == 200
    assert script.get("/api/v1/me/").status_code == 200
    accounts.suspend(operator, contributor.pk, why=WHY)
    assert browser.get(f"/projects/{project.pk}/people/").status_code == 302
    assert script.get("/api/v1/me/").status_code == 401
    assert contributor not in [user for user, _ in people_with_roles(project)]
    contributor.refresh_from_db()
    assert role_in(contributor, project) is None


def test_after_opening_roles_count_again_but_old_sessions_and_tokens_do_not(operator, project, contributor, browser_of):
    browser, script = browser_of(contributor), bearer(contributor)
    accounts.suspend(operator, contributor.pk, why=WHY)
    accounts.unsuspend(operator, contributor.pk)
    assert browser.get("/projects/").status_code == 302
    assert script.get("/api/v1/me/").status_code == 401
    again = Client()
    assert again.login(username="contributor", password="a long password")
    assert "Apoferritin" in again.get("/projects/").text


def test_suspending_is_in_the_gateways_trail(operator, viewer):
    accounts.suspend(operator, viewer.pk, why=WHY)
    accounts.unsuspend(operator, viewer.pk)
    found = AuditEvent.objects.filter(project=None).order_by("id").values_list("action", "subject", "actor_name")
    assert list(found) == [("account.suspended", "viewer", "operator"), ("account.opened", "viewer", "operator")]
    assert AuditEvent.objects.get(action="account.suspended").details["why"] == WHY


def test_what_makes_no_sense_is_refused(operator, viewer, owner):
    with pytest.raises(UserError, match="Say why"):
        accounts.suspend(operator, viewer.pk, why=" ")
    with pytest.raises(StateConflict, match="your own"):
        accounts.suspend(operator, operator.pk, why=WHY)
    with pytest.raises(StateConflict, match="not suspended"):
        accounts.unsuspend(operator, viewer.pk)
    accounts.suspend(operator, viewer.pk, why=WHY)
    with pytest.raises(StateConflict, match="already"):
        accounts.suspend(operator, viewer.pk, why=WHY)
    with pytest.raises(NotFound):
        accounts.suspend(owner, viewer.pk, why=WHY)


def test_pages_are_there_for_operators_alone(operator, owner, viewer, identity, browser_of):
    addresses = ["/operator/accounts/", f"/operator/accounts/{viewer.pk}/", "/operator/acls/"]
    for address in addresses:
        assert browser_of(owner).get(address).status_code == 404
        assert browser_of(operator).get(address).status_code == 200
    assert "x1@egi.eu" in browser_of(operator).get(addresses[1]).text
    assert "No account matches" in browser_of(operator).get("/operator/accounts/?search=zzz").text


def test_an_operator_suspends_and_opens_on_the_page(operator, viewer, browser_of):
    browser, address = browser_of(operator), f"/operator/accounts/{viewer.pk}/"
    page = browser.post(f"{address}suspend/", {"why": WHY}, follow=True)
    assert WHY in page.text
    viewer.refresh_from_db()
    assert not viewer.is_active
    page = browser.post(f"{address}unsuspend/", follow=True)
    assert "can sign in again" in page.text
