"""The operators' page of POSIX access lists."""

import subprocess

import pytest

from accounts.models import User
from projects.models import AuditEvent
from storage import acls, setfacl
from storage.models import StorageSite
from storage.services.folders import folder_of

pytestmark = pytest.mark.django_db
PAGE = "/operator/acls/"


def test_a_site_is_switched_on_people_are_named_and_drift_is_repaired(operator, project, root, browser_of):
    browser, site = browser_of(operator), StorageSite.objects.get()
    assert "Not mirrored" in browser.get(PAGE).text
    browser.post(f"{PAGE}account/", {"username": "viewer", "posix_account": "5101"})
    assert "Roles are mirrored on main" in browser.post(f"{PAGE}sites/{site.pk}/", {"on": "1"}, follow=True).text
    acls.mirror(folder_of(project))
    assert "None." in browser.get(PAGE).text
    subprocess.run(["setfacl", "-b", str(root)], check=True)
    assert "5101 has nothing on the folder" in browser.get(PAGE).text
    assert "is repaired" in browser.post(f"{PAGE}projects/{project.pk}/", follow=True).text
    assert setfacl.held_on(root).access == {5101: "r-x"}
    assert list(AuditEvent.objects.filter(project=None).order_by("id").values_list("action", flat=True)) == [
        "account.posix", "storage.acls", "storage.acls_repaired"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["root", "0", "no such", "nobody_of_this_name", "-x", "a;b"])
def test_an_account_that_can_not_be_is_refused(operator, viewer, browser_of, name):
    page = browser_of(operator).post(f"{PAGE}account/", {"username": "viewer", "posix_account": name})
    assert page.status_code == 400 or "note error" in browser_of(operator).get(PAGE).text
    assert User.objects.get(username="viewer").posix_account == ""


def test_an_unknown_user_is_told(operator, browser_of):
    browser = browser_of(operator)
    answer = browser.post(f"{PAGE}account/", {"username": "nobody", "posix_account": "5101"})
    assert answer.status_code in (303, 404)
