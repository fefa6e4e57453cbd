"""Remote folders: who may attach and open them, for how long, and what is noted of it."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.services import make_token
from common.errors import Forbidden, NotFound, StateConflict, UserError
from projects.models import AuditEvent, Membership, Project
from storage.models import RemoteFolder, RemoteLink, SiteKind, StorageSite
from storage.services import remote, sites
from storage.sites import probing, rows
from storage.sites.base import Found, Probed
from tests.storage.sites.stand_in import StandIn, stand_in

SETTINGS = {"token_file": "/etc/portolan/token"}
WHERE = {"kind": "webdav", "base_url": "https://dcache.example.org:2880", "prefix": "/data/portolan"}
READ = {"rights": ["list", "read"], "expires_in": 3600}


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch):
    for kind in (SiteKind.WEBDAV, SiteKind.S3):
        monkeypatch.setitem(rows.ADAPTERS, kind, stand_in)
    monkeypatch.setattr(sites, "ring_probe", lambda _: None)


@pytest.fixture
def site(db) -> StorageSite:
    return StorageSite.objects.create(name="archive", settings=SETTINGS, offered=True, probe={"ok": True}, **WHERE)


@pytest.fixture
def folder(site, owner, project) -> RemoteFolder:
    return remote.attach(owner, project.pk, site="archive")


def test_an_owner_attaches_a_folder_and_everybody_in_the_project_sees_it(folder, viewer, manager, stranger, project):
    assert folder.label == "archive"
    assert list(remote.folders_of(viewer, project.pk)) == [folder]
    assert [one.name for one in remote.list_remote(viewer, project.pk, folder.pk).entries] == ["raw", "notes.txt"]
    assert AuditEvent.objects.filter(project=project, action="remote.attached", subject="archive").count() == 1
    with pytest.raises(Forbidden):
        remote.attach(manager, project.pk, site="archive")
    with pytest.raises(NotFound):
        remote.folders_of(stranger, project.pk)


def test_a_project_has_one_folder_at_a_site(folder, owner, project):
    with pytest.raises(StateConflict) as twice:
        remote.attach(owner, project.pk, site="archive")
    assert twice.value.code == "already_attached"


@pytest.mark.parametrize("change", [{"offered": False}, {"kind": "posix"}, {"name": "another"}])
def test_only_what_is_offered_is_attached(site, owner, project, change):
    StorageSite.objects.filter(pk=site.pk).update(**change)
    with pytest.raises(UserError) as refused:
        remote.attach(owner, project.pk, site="archive")
    assert refused.value.code == "site_not_offered"


def test_a_site_that_was_not_found_right_gives_nothing(folder, site, owner, project):
    for probe in ({}, {"running": True}, {"ok": False}):
        StorageSite.objects.filter(pk=site.pk).update(probe=probe)
        with pytest.raises(StateConflict) as refused:
            remote.create_link(owner, project.pk, folder.pk, path="raw", **READ)
        assert refused.value.code == "site_not_probed"
    assert not RemoteLink.objects.exists()


def test_an_archived_project_attaches_and_writes_nothing(folder, site, owner, project):
    Project.objects.filter(pk=project.pk).update(archived_at=timezone.now())
    StorageSite.objects.create(name="tape", settings=SETTINGS, offered=True, probe={"ok": True}, **WHERE)
    with pytest.raises(StateConflict):
        remote.attach(owner, project.pk, site="tape")
    with pytest.raises(StateConflict):
        remote.create_link(owner, project.pk, folder.pk, rights=["write-new"], expires_in=60)
    assert remote.create_link(owner, project.pk, folder.pk, path="raw", **READ).token


def test_a_credential_is_noted_without_its_secret(folder, viewer, project):
    made = remote.create_link(viewer, project.pk, folder.pk, path="raw", label="For Grace", **READ)
    row = remote.links_of(viewer, project.pk).get()
    assert (row.path, row.rights, row.label, row.is_file, row.live) == (
        "raw", ["list", "read"], "For Grace", False, True,
    )  # fmt: skip
    event = AuditEvent.objects.get(project=project, action="remote_link.made")
    assert event.subject == "archive: raw"
    assert event.details["rights"] == ["list", "read"]
    assert made.token not in repr(made) + str(event.details) + str(vars(row))
    assert made.addresses[0].url == f"https://archive.example.org:2880/data/portolan/{project.pk}/data/raw/"


def test_rights_are_those_of_the_issuers_role_now(folder, viewer, contributor, stranger, project):
    with pytest.raises(Forbidden):
        remote.create_link(viewer, project.pk, folder.pk, rights=["write-new"], expires_in=60)
    with pytest.raises(NotFound):
        remote.create_link(stranger, project.pk, folder.pk, **READ)
    assert remote.create_link(contributor, project.pk, folder.pk, path="new/day", rights=["write-new"], expires_in=60)
    Membership.objects.filter(user=contributor, project=project).update(role="viewer")
    with pytest.raises(Forbidden):
        remote.create_link(contributor, project.pk, folder.pk, rights=["write-new"], expires_in=60)
    assert RemoteLink.objects.count() == 1


@pytest.mark.parametrize("seconds", [0, 59, 12 * 3600 + 1, -5])
def test_a_credential_is_short(folder, owner, project, seconds):
    with pytest.raises(UserError) as refused:
        remote.create_link(owner, project.pk, folder.pk, rights=["read"], expires_in=seconds)
    assert (refused.value.code, refused.value.field) == ("bad_end", "expires_in")


def test_a_credential_does_not_outlive_the_token_that_asks(folder, owner, project):
    owner.token, _ = make_token(owner, label="script", scopes=["read"])
    owner.token.expires_at = timezone.now() + timedelta(minutes=10)
    with pytest.raises(UserError) as refused:
        remote.create_link(owner, project.pk, folder.pk, path="raw", **READ)
    assert refused.value.code == "bad_end"


@pytest.mark.parametrize("path", ["../other", "a/../../b", "/etc", "raw/%2e%2e/x", "a\x00b", ".portolan/x"])
def test_paths_stay_in_the_projects_folder(folder, owner, project, path):
    for call in (
        lambda: remote.create_link(owner, project.pk, folder.pk, path=path, **READ),
        lambda: remote.list_remote(owner, project.pk, folder.pk, path=path),
    ):
        with pytest.raises(UserError) as refused:
            call()
        assert refused.value.code == "bad_path"


def test_a_folder_of_another_project_is_not_there(folder, owner, stranger):
    other = Project.objects.create(name="Other")
    Membership.objects.create(project=other, user=stranger, role="owner")
    for call in (
        lambda: remote.list_remote(stranger, other.pk, folder.pk),
        lambda: remote.create_link(stranger, other.pk, folder.pk, **READ),
        lambda: remote.detach(stranger, other.pk, folder.pk),
    ):
        with pytest.raises(NotFound):
            call()


def test_a_detached_folder_is_gone_and_its_credentials_stay_listed(folder, owner, viewer, project):
    remote.create_link(viewer, project.pk, folder.pk, path="raw", **READ)
    assert remote.detach(owner, project.pk, folder.pk).detached_at
    assert not remote.folders_of(viewer, project.pk)
    assert remote.links_of(viewer, project.pk).count() == 1
    with pytest.raises(NotFound):
        remote.create_link(owner, project.pk, folder.pk, **READ)
    assert remote.attach(owner, project.pk, site="archive").pk != folder.pk


def test_nothing_is_noted_where_the_site_refuses(folder, owner, project, monkeypatch):
    with pytest.raises(UserError):
        remote.create_link(owner, project.pk, folder.pk, rights=["overwrite"], expires_in=60)
    assert not RemoteLink.objects.exists()
    assert StandIn(folder="/x/").page("").entries


# --- sites, by operators


def test_a_changed_site_has_to_be_probed_again_and_an_old_probe_does_not_count(site, operator):
    probing.note(StorageSite.objects.get(pk=site.pk), Probed(found=[Found(ok=True, title="Door", words="Works.")]))
    read = StorageSite.objects.get(pk=site.pk)
    assert read.probe["ok"]
    sites.save_site(operator, "archive", {"offered": False})
    assert StorageSite.objects.get(pk=site.pk).probe["ok"]
    sites.save_site(operator, "archive", {"base_url": "https://other.example.org"})
    assert StorageSite.objects.get(pk=site.pk).probe == {}
    probing.note(read, Probed(found=[Found(ok=True, title="Door", words="Works.")]))
    assert StorageSite.objects.get(pk=site.pk).probe == {}
    assert sites.start_probe(operator, "archive").probe == {"running": True}


def test_kind_and_prefix_stay_while_projects_are_there(folder, operator):
    for change in ({"prefix": "/else"}, {"kind": "s3", "settings": {}}):
        with pytest.raises(StateConflict) as refused:
            sites.save_site(operator, "archive", change)
        assert refused.value.code == "site_in_use"


def test_a_mounted_site_is_not_made_or_changed_here(project, operator, owner):
    with pytest.raises(UserError):
        sites.save_site(operator, "main", {"kind": "s3"})
    with pytest.raises(NotFound):
        sites.sites(owner)


def test_the_command_tells_what_a_probe_found(db, tmp_path, capsys):
    StorageSite.objects.create(name="disk", root=str(tmp_path))
    call_command("probe_storage", "disk")
    assert "ok  Folder: Written to" in capsys.readouterr().out
    assert StorageSite.objects.get(name="disk").probe["ok"]
    assert not list(tmp_path.iterdir())
