from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.services import make_token
from common.errors import Forbidden, NotFound, PortolanError, QuotaExceeded, UserError
from projects.models import AuditEvent, Membership
from storage.links.access import enter, forget
from storage.links.rights import Operation
from storage.models import Folder, FolderState, TransferLink
from storage.services import links

DAY = 86400
ALL = ["list", "read", "write-new", "overwrite", "delete"]


@pytest.fixture
def made(contributor, project, root):
    (root / "raw").mkdir()
    (root / "raw" / "movie.mrc").write_bytes(b"x" * 10)
    return links.create_link(contributor, project.pk, path="raw", rights=ALL, expires_in=DAY, label="Krios")


def refused(work, *args, **kwargs):
    with pytest.raises(PortolanError) as told:
        work(*args, **kwargs)
    return told.value.code


def opened(made, address="192.0.2.1"):
    forget(made.link.pk)
    return enter(made.link.pk, made.token, address)


def test_a_member_makes_a_link_and_gets_its_secret_once(made, contributor, project):
    assert made.url == f"http://localhost:18000/links/{made.link.pk}/"
    assert made.token
    assert made.token not in str(TransferLink.objects.filter(pk=made.link.pk).values())
    assert AuditEvent.objects.get(action="link.made").subject == "raw"
    assert [link.pk for link in links.links_of(contributor, project.pk)] == [made.link.pk]


def test_commands_fit_the_rights(made, contributor, project):
    names = {command.name for command in made.commands}
    assert {"rclone_up", "rclone_down", "curl_up", "curl_resume", "wget_down", "davix_down"} <= names
    box = links.create_link(contributor, project.pk, path="box", rights=["write-new"], expires_in=DAY)
    assert {command.name for command in box.commands} == {"curl_up", "curl_resume"}
    one = links.create_link(contributor, project.pk, path="raw/movie.mrc", rights=["read"], expires_in=DAY)
    assert one.url.endswith("/movie.mrc")
    assert all(one.token in command.text.splitlines()[0] for command in one.commands)


def test_a_folder_to_write_to_is_made(contributor, project, root):
    links.create_link(contributor, project.pk, path="new/box", rights=["write-new"], expires_in=DAY)
    assert (root / "new/box").is_dir()


@pytest.mark.parametrize("right", ["write-new", "overwrite", "delete"])
def test_a_viewer_gives_no_right_to_write(viewer, project, right):
    assert refused(links.create_link, viewer, project.pk, rights=["read", right], expires_in=DAY) == "role_too_weak"
    assert links.create_link(viewer, project.pk, rights=["read"], expires_in=DAY).link.live


@pytest.mark.parametrize("path", ["../x", "/etc", ".portolan", "a\\b", "a\0"])
def test_a_path_that_leads_out_is_refused(contributor, project, path):
    rights = ["read", "write-new"]
    assert refused(links.create_link, contributor, project.pk, path=path, rights=rights, expires_in=DAY) == "bad_path"


def test_what_is_not_there_or_a_link_on_disk_is_refused(contributor, project, root):
    (root / "out").symlink_to("/etc")
    make = links.create_link
    assert refused(make, contributor, project.pk, path="out", rights=["read"], expires_in=DAY) == "bad_path"
    assert refused(make, contributor, project.pk, path="gone", rights=["read"], expires_in=DAY) == "file_not_found"


@pytest.mark.parametrize("seconds", [0, 59, 31 * DAY])
def test_an_end_too_near_or_too_far_is_refused(contributor, project, seconds):
    assert refused(links.create_link, contributor, project.pk, rights=["read"], expires_in=seconds) == "bad_end"


def test_a_link_does_not_outlive_the_token_that_made_it(contributor, project):
    contributor.token, _ = make_token(contributor, label="script", scopes=["read", "data"], days=1)
    assert refused(links.create_link, contributor, project.pk, rights=["read"], expires_in=2 * DAY) == "bad_end"


def test_announced_bytes_need_room(contributor, project):
    Folder.objects.update(quota_bytes=1000)
    with pytest.raises(QuotaExceeded):
        links.create_link(contributor, project.pk, rights=["write-new"], expires_in=DAY, expected_bytes=1001)


def test_a_folder_that_is_being_filled_takes_no_link_to_write(contributor, project):
    Folder.objects.update(state=FolderState.PREPARING)
    code = refused(links.create_link, contributor, project.pk, rights=["write-new"], expires_in=DAY)
    assert code == "folder_preparing"


def test_bad_rights_and_networks_are_refused(contributor, project):
    for rights in ([], ["own"]):
        with pytest.raises(UserError):
            links.create_link(contributor, project.pk, rights=rights, expires_in=DAY)
    code = refused(links.create_link, contributor, project.pk, rights=["read"], expires_in=DAY, networks=["lab"])
    assert code == "bad_network"


def test_a_revoked_link_is_of_no_use(made, contributor, project):
    here = opened(made)
    here.require(*Operation)
    links.revoke_link(contributor, project.pk, made.link.pk)
    assert refused(here.require, Operation.STAT) == "link_revoked"
    assert refused(opened, made) == "link_revoked"


def test_only_the_issuer_and_managers_revoke_and_read_the_log(made, viewer, manager, stranger, project):
    for work in (links.revoke_link, links.link_log):
        with pytest.raises(Forbidden):
            work(viewer, project.pk, made.link.pk)
        with pytest.raises(NotFound):
            work(stranger, project.pk, made.link.pk)
        work(manager, project.pk, made.link.pk)


def test_a_link_of_another_project_is_not_found(made, contributor, project):
    with pytest.raises(NotFound):
        links.link_of(contributor, project.pk, project.pk)


def test_rights_shrink_with_the_issuers_role(made, contributor, project):
    Membership.objects.filter(user=contributor).update(role="viewer")
    here = opened(made)
    here.require(Operation.LIST, Operation.READ)
    assert refused(here.require, Operation.CREATE) == "right_missing"
    Membership.objects.filter(user=contributor).delete()
    assert refused(opened(made).require, Operation.STAT) == "right_missing"


def test_a_closed_account_closes_its_links(made, contributor):
    contributor.is_active = False
    contributor.save()
    assert refused(opened(made).require, Operation.READ) == "right_missing"


def test_an_ended_link_is_refused(made):
    TransferLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert refused(opened, made) == "link_ended"


def test_a_link_is_kept_to_its_networks(contributor, project):
    made = links.create_link(
        contributor, project.pk, rights=["read"], expires_in=DAY, networks=["192.0.2.0/24", "2001:db8::/32"]
    )
    for address in ("192.0.2.200", "::ffff:192.0.2.1", "2001:db8::1"):
        assert opened(made, address)
    for address in ("192.0.3.1", "::1", "", "unknown"):
        assert refused(opened, made, address) == "network_refused"


@pytest.mark.parametrize("path", ["../raw2", "..", "a/../../x", ".portolan/x", "%2e%2e/x", "a\0", "x" * 300])
def test_no_path_leads_out_of_the_link(made, path):
    assert refused(opened(made).place, path) == "bad_path"


def test_a_neighbour_with_the_same_beginning_is_outside(made):
    here = opened(made)
    assert here.place("/movie.mrc") == "raw/movie.mrc"
    assert not here.sees("raw2/x")


def test_live_links_of_a_member(made, contributor, owner, project):
    assert links.live_links_of(contributor, project) == [made.link]
    assert links.live_links_of(owner, project) == []
    links.revoke_link(contributor, project.pk, made.link.pk)
    assert links.live_links_of(contributor, project) == []
