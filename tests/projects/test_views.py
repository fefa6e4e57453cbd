"""Pages of projects: the list, people, activity, settings."""

import pytest
from django.urls import reverse

from projects.models import Membership
from projects.roles import Role

pytestmark = pytest.mark.django_db
PAGES = ["people", "activity", "settings"]


def at(project, name, *more):
    return reverse(f"projects:{name}", args=[project.pk, *more])


def test_the_list_shows_my_projects_only(browser_of, project, viewer, stranger):
    assert "Apoferritin" in browser_of(viewer).get("/projects/").text
    assert "Apoferritin" not in browser_of(stranger).get("/projects/").text


def test_the_list_costs_the_same_with_many_projects(
    browser_of, project, owner, django_assert_max_num_queries, make_projects
):
    make_projects(owner, 30)
    browser = browser_of(owner)
    with django_assert_max_num_queries(4):
        browser.get("/projects/")


@pytest.fixture
def make_projects(db):
    def make(user, count):
        for number in range(count):
            made = user.memberships.create(
                project=type(user.memberships.first().project).objects.create(name=f"P{number}")
            )
            made.role = Role.OWNER
            made.save()

    return make


@pytest.mark.parametrize("name", PAGES)
def test_a_project_is_hidden_from_a_stranger_and_open_to_a_viewer(browser_of, project, viewer, stranger, name):
    assert browser_of(stranger).get(at(project, name)).status_code == 404
    assert browser_of(viewer).get(at(project, name)).status_code == 200


def test_a_manager_adds_a_person(browser_of, project, manager, stranger):
    browser_of(manager).post(at(project, "people"), {"username": "stranger", "role": "viewer", "until": "2099-01-31"})
    found = Membership.objects.get(project=project, user=stranger)
    assert (found.role, found.until.year) == (Role.VIEWER, 2099)


def test_an_unknown_person_is_refused_beside_the_field(browser_of, project, manager):
    page = browser_of(manager).post(at(project, "people"), {"username": "nobody", "role": "viewer"})
    assert page.status_code == 400
    assert 'aria-invalid="true"' in page.text


def test_a_viewer_cannot_add_a_person(browser_of, project, viewer, stranger):
    browser_of(viewer).post(at(project, "people"), {"username": "stranger", "role": "viewer"})
    assert not Membership.objects.filter(user=stranger).exists()


def test_a_role_is_changed_and_taken_away(browser_of, project, manager, viewer):
    browser_of(manager).post(at(project, "member_change", viewer.pk), {"role": "contributor"})
    assert Membership.objects.get(project=project, user=viewer).role == Role.CONTRIBUTOR
    browser_of(manager).post(reverse("jobs:member_remove", args=[project.pk, viewer.pk]))
    assert not Membership.objects.filter(project=project, user=viewer).exists()


def test_the_last_owner_is_told_why_they_cannot_leave(browser_of, project, owner):
    came_from = {"HTTP_REFERER": f"http://testserver{at(project, 'people')}"}
    page = browser_of(owner).post(reverse("jobs:leave", args=[project.pk]), follow=True, **came_from)
    assert page.redirect_chain == [(at(project, "people"), 303)]
    assert "note error" in page.text


def test_an_archived_project_is_restored_from_its_settings(browser_of, project, owner):
    browser = browser_of(owner)
    browser.post(at(project, "archive"))
    project.refresh_from_db()
    assert project.archived
    assert "Restore the project" in browser.get(at(project, "settings")).text
    browser.post(at(project, "restore"))
    project.refresh_from_db()
    assert not project.archived


def test_a_rename_is_in_the_activity(browser_of, project, owner):
    browser_of(owner).post(at(project, "settings"), {"name": "Ferritin", "description": ""})
    assert "changed the name or purpose" in browser_of(owner).get(at(project, "activity")).text
