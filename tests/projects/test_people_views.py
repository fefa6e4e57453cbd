"""Pages of people: who, why, groups, invitations, requests, and looking as somebody else."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Group, User
from jobs.models import ComputeSite, Job
from projects import services
from projects.models import AccessRequest, AuditEvent, GroupGrant, Invitation, Membership
from projects.permissions import role_in
from projects.roles import Role
from projects.services import Wish

pytestmark = pytest.mark.django_db
CRYO = "urn:mace:egi.eu:group:cryo#aai.egi.eu"


def at(project, name, *more):
    return reverse(f"projects:{name}", args=[project.pk, *more])


def words_of(**change):
    return {"group": "", "entitlement": CRYO, "role": "viewer", "purpose": "beam time", "until": ""} | change


def test_the_page_says_who_and_why(browser_of, project, owner, viewer, stranger, told):
    services.grant_group(owner, project.pk, Wish(entitlement=CRYO, role="contributor", purpose="beam time"))
    told(stranger, "cryo")
    told(viewer, "cryo")
    text = browser_of(viewer).get(at(project, "people")).text
    assert "5 people" in text
    assert text.count("by the group cryo") == 2
    assert "beam time" in text
    assert "Remove…" not in text
    assert "Remove…" in browser_of(owner).get(at(project, "people")).text


def test_the_page_costs_the_same_for_many_people_and_groups(browser_of, project, owner, told):
    browser = browser_of(owner)

    def queries():
        with CaptureQueriesContext(connection) as caught:
            assert browser.get(at(project, "people")).status_code == 200
        return len(caught)

    def more(count):
        for number in range(count):
            user = User.objects.create_user(f"u{User.objects.count():04}")
            Membership.objects.create(project=project, user=user, role="viewer", granted_by=owner)
            told(user, f"g{number}", "cryo")
            wish = Wish(entitlement=f"urn:mace:egi.eu:group:x{user.username}", role="viewer", purpose="x")
            services.grant_group(owner, project.pk, wish)
            services.invite(owner, project.pk, email="a@b.org", role="viewer")
            AccessRequest.objects.create(project=project, user=user, purpose="x")

    more(2)
    few = queries()
    more(6)
    assert queries() == few


def test_hundreds_of_people_are_found_by_name_and_paged(browser_of, project, owner):
    users = [User(username=f"u{number:03}", first_name="Ann", last_name=f"Number{number}") for number in range(120)]
    User.objects.bulk_create(users)
    Membership.objects.bulk_create([Membership(project=project, user=user, role="viewer") for user in users])
    browser = browser_of(owner)
    first = browser.get(at(project, "people")).text
    assert "124 people" in first
    assert "page 1 of 3" in first
    found = browser.get(at(project, "people"), {"search": "ann number77"}).text
    assert "1 found" in found
    assert "u077" in found
    assert "Nobody found" in browser.get(at(project, "people"), {"search": "zzz"}).text


def test_a_group_gets_access_after_its_preview(browser_of, project, manager, stranger, told):
    told(stranger, "cryo")
    browser = browser_of(manager)
    preview = browser.post(at(project, "grant_add"), words_of(step="preview"))
    assert "1 person gets: view, download; not upload" in preview.text
    assert not GroupGrant.objects.exists()
    browser.post(at(project, "grant_add"), words_of(step="confirm", until="2099-01-31"))
    grant = GroupGrant.objects.get()
    assert (grant.role, grant.until.year, grant.purpose) == ("viewer", 2099, "beam time")
    assert browser_of(stranger).get(at(project, "people")).status_code == 200


def test_a_group_is_chosen_among_ones_own(browser_of, project, manager, told, group_of):
    told(manager, "cryo", "tomo")
    browser = browser_of(manager)
    assert str(group_of("tomo").pk) in browser.get(at(project, "grant_add")).text
    chosen = words_of(group=str(group_of("tomo").pk), entitlement="left over", step="confirm")
    browser.post(at(project, "grant_add"), chosen)
    assert GroupGrant.objects.get().group == group_of("tomo")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"entitlement": "cryo"}, 'id="entitlement-error"'),
        ({"entitlement": "urn:mace:else:group:x"}, 'id="entitlement-error"'),
        ({"purpose": ""}, 'id="purpose-error"'),
        ({"until": "soon"}, 'id="until-error"'),
        ({"role": "owner"}, 'id="role-error"'),
        ({"with_subgroups": "on", "aai_role": "pi"}, 'id="aai_role-error"'.replace("_role", "-role")),
        ({"group": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1eff"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field(browser_of, project, manager, change, place):
    page = browser_of(manager).post(at(project, "grant_add"), words_of(step="preview", **change))
    assert page.status_code == 400
    assert place in page.text
    assert not GroupGrant.objects.exists()


def test_a_grant_and_a_member_are_changed_on_their_pages(browser_of, project, owner, viewer):
    grant = services.grant_group(owner, project.pk, Wish(entitlement=CRYO, role="viewer", purpose="x"))
    browser = browser_of(owner)
    assert browser.get(at(project, "grant_change", grant.pk)).status_code == 200
    browser.post(at(project, "grant_change", grant.pk), {"role": "manager", "purpose": "more", "until": ""})
    grant.refresh_from_db()
    assert (grant.role, grant.purpose) == ("manager", "more")
    assert browser.get(at(project, "member_change", viewer.pk)).status_code == 200
    browser.post(at(project, "member_change", viewer.pk), {"role": "manager", "purpose": "deputy", "until": ""})
    assert project.memberships.get(user=viewer).purpose == "deputy"
    refused = browser.post(at(project, "member_change", owner.pk), {"role": "viewer", "until": ""})
    assert refused.status_code == 400
    assert "at least one owner" in refused.text


@pytest.fixture
def running_job(project, contributor):
    site = ComputeSite.objects.create(name="far")
    return Job.objects.create(
        project=project, number=1, tool="x", inputs={}, site=site, submitted_by=contributor, state="running"
    )


def test_removing_shows_what_runs_and_asks(browser_of, project, manager, contributor, running_job):
    address = reverse("jobs:member_remove", args=[project.pk, contributor.pk])
    browser = browser_of(manager)
    page = browser.get(address).text
    assert "1 job runs now" in page
    assert "1 person loses all access" in page
    assert project.memberships.filter(user=contributor).exists()
    browser.post(address, {"running": "cancel", "why": "left"})
    running_job.refresh_from_db()
    assert running_job.state == "cancelling"
    assert AuditEvent.objects.get(action="member.removed").details["why"] == "left"
    assert browser_of(contributor).get(at(project, "people")).status_code == 404


def test_a_group_is_removed_after_a_look(browser_of, project, owner, stranger, told):
    grant = services.grant_group(owner, project.pk, Wish(entitlement=CRYO, role="contributor", purpose="x"))
    told(stranger, "cryo")
    address = reverse("jobs:grant_remove", args=[project.pk, grant.pk])
    assert "stranger" in browser_of(owner).get(address).text
    browser_of(owner).post(address)
    assert browser_of(stranger).get(at(project, "people")).status_code == 404


def test_a_member_leaves(browser_of, project, viewer):
    address = reverse("jobs:leave", args=[project.pk])
    assert "Leave “Apoferritin”?" in browser_of(viewer).get(address).text
    browser_of(viewer).post(address)
    assert role_in(viewer, project) is None


def test_an_invitation_is_sent_opened_by_a_guest_and_accepted(browser_of, project, manager, stranger):
    sent = browser_of(manager).post(
        at(project, "invite"), {"email": "new@example.org", "role": "contributor", "purpose": "", "until": ""}
    )
    link = mail.outbox[0].body.split("?code=")[1].split()[0]
    assert link in sent.text
    assert link not in browser_of(manager).get(at(project, "people")).text
    guest = Client()
    opened = guest.get("/invitation/", {"code": link}, follow=True)
    assert opened.redirect_chain[0][0] == "/invitation/"
    assert opened.redirect_chain[1][0].startswith("/login/")
    assert link not in str(opened.redirect_chain)
    assert link not in str(dict(guest.session))
    guest.post("/login/", {"username": "stranger", "password": "a long password"})
    assert "You are invited to “Apoferritin”" in guest.get("/invitation/").text
    assert role_in(stranger, project) is None
    guest.post("/invitation/")
    assert role_in(stranger, project) is Role.CONTRIBUTOR


def test_an_invitation_that_was_taken_back_says_so(browser_of, project, manager, stranger):
    invited = services.invite(manager, project.pk, email="a@b.org", role="viewer")
    browser_of(manager).post(at(project, "invitation_revoke", invited.invitation.pk))
    browser = browser_of(stranger)
    page = browser.get(invited.link.replace("http://localhost:8000", ""), follow=True)
    assert page.status_code == 409
    assert "taken back" in page.text
    assert browser_of(stranger).get("/invitation/").status_code == 404
    assert Invitation.objects.get().used_at is None


def test_a_newcomer_asks_and_is_let_in(browser_of, project, manager, stranger):
    newcomer = browser_of(stranger)
    refused = newcomer.get(reverse("storage:project", args=[project.pk]))
    assert refused.status_code == 404
    assert at(project, "request_access") in refused.text
    newcomer.post(at(project, "request_access"), {"purpose": "I made the grids"})
    assert "You asked for access" in newcomer.get(at(project, "request_access")).text
    page = browser_of(manager).get(at(project, "people")).text
    assert "1 person asks for access" in page
    assert "I made the grids" in page
    asked = AccessRequest.objects.get()
    browser_of(manager).post(at(project, "request_decide", asked.pk), {"role": "viewer"})
    assert role_in(stranger, project) is Role.VIEWER
    assert newcomer.get(at(project, "request_access")).status_code == 302


def test_an_address_without_a_project_looks_the_same_to_who_asks(browser_of, project, stranger):
    newcomer = browser_of(stranger)
    pages = []
    for key in (str(project.pk), "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1eff"):
        address = f"/projects/{key}/request-access/"
        seen = [newcomer.get(f"/projects/{key}/people/"), newcomer.get(address)]
        seen += [newcomer.post(address, {"purpose": "x"}, follow=True)]
        pages.append([(page.status_code, _neutral(page.text, key)) for page in seen])
    assert pages[0] == pages[1]


def _neutral(text, key):
    lines = text.replace(key, "ID").splitlines()
    hidden = ("csrf", "X-CSRFToken", "<time", "withdraw")
    return [line for line in lines if not any(word in line for word in hidden)]


def test_a_request_is_declined_and_withdrawn(browser_of, project, manager, stranger):
    newcomer = browser_of(stranger)
    newcomer.post(at(project, "request_access"), {"purpose": "x"})
    asked = AccessRequest.objects.get()
    browser_of(manager).post(at(project, "request_decide", asked.pk), {"decline": "1", "answer": "Not yet"})
    assert "Not yet" in newcomer.get(at(project, "request_access")).text
    newcomer.post(at(project, "request_access"), {"purpose": "again"})
    again = AccessRequest.objects.get(state="waiting")
    newcomer.post(at(project, "request_withdraw", again.pk))
    again.refresh_from_db()
    assert again.state == "withdrawn"


def test_a_group_is_kept_on_its_pages(browser_of, manager, viewer, stranger):
    browser = browser_of(manager)
    browser.post("/groups/", {"name": "The team", "description": ""})
    group = Group.objects.get(name="The team")
    page = reverse("projects:group", args=[group.pk])
    browser.post(page, {"username": "viewer"})
    assert "2 people" in browser.get(page).text
    assert "Put a person in" not in browser_of(viewer).get(page).text
    assert browser_of(stranger).get(page).status_code == 404
    assert browser.post(page, {"username": "nobody"}).status_code == 400
    browser.post(reverse("projects:seat_remove", args=[group.pk, viewer.pk]))
    assert browser_of(viewer).get(page).status_code == 404
    browser.post(reverse("projects:group_delete", args=[group.pk]))
    assert not Group.objects.filter(pk=group.pk).exists()


def test_a_manager_looks_as_a_viewer_changes_nothing_and_comes_back(browser_of, project, manager, viewer):
    browser = browser_of(manager)
    assert "Add a person" in browser.get(at(project, "people")).text
    browser.post(at(project, "look_as"), {"role": "viewer"})
    text = browser.get(at(project, "people")).text
    assert "as a <strong>viewer</strong> would" in text
    assert "Add a person" not in text
    assert browser.get(at(project, "grant_add")).status_code == 403
    refused = browser.post(at(project, "people"), {"username": "stranger", "role": "viewer"})
    assert refused.status_code == 403
    api = browser.post(f"/api/v1/projects/{project.pk}/files/folder/", {"path": "x"}, content_type="application/json")
    assert (api.status_code, api.json()["code"]) == (403, "seen_as")
    assert browser.get(f"/api/v1/projects/{project.pk}/").json()["role"] == "viewer"
    browser.post("/look-as-myself/")
    assert "Add a person" in browser.get(at(project, "people")).text
    assert not AuditEvent.objects.filter(project=project).exists()


def test_nobody_looks_as_somebody_stronger(browser_of, project, manager, contributor):
    browser = browser_of(manager)
    for role in ("owner", "king", ""):
        assert browser.post(at(project, "look_as"), {"role": role}).status_code == 400
    assert browser_of(contributor).post(at(project, "look_as"), {"role": "viewer"}).status_code == 403
    session = browser.session
    session["seen_as"] = {"project": str(project.pk), "role": "owner", "name": "x"}
    session.save()
    assert browser.get(f"/api/v1/projects/{project.pk}/").json()["role"] == "manager"


def test_an_ended_membership_is_shown_and_gives_nothing(browser_of, project, owner, viewer):
    Membership.objects.filter(user=viewer).update(until=timezone.now() - timedelta(days=1))
    assert "ended" in browser_of(owner).get(at(project, "people")).text
    assert browser_of(viewer).get(at(project, "people")).status_code == 404
