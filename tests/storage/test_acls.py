"""Roles in POSIX access lists: by real setfacl on a real file system, looked at as another user by the kernel."""

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from projects.models import Membership, Project
from projects.permissions import people_with_roles
from projects.services import archive_project
from storage import acls, setfacl
from storage.models import Folder, StorageSite
from storage.paths import ensure_dir, inner
from storage.services.folders import folder_of
from storage.tasks import mirror_folder, mirror_roles

UIDS = {"viewer": 5101, "contributor": 5102, "manager": 5103}
ROOT_ONLY = "another user's view of the files can only be had by root"


@pytest.fixture
def mirrored(project, root) -> Folder:
    """The project's folder on a site that mirrors roles; three members have POSIX accounts, given as uids."""
    for name, uid in UIDS.items():
        User.objects.filter(username=name).update(posix_account=str(uid))
    StorageSite.objects.update(posix_acls=True)
    (root / "data").mkdir(mode=0o770)
    for name in ("data/a.mrc", "notes.txt"):
        (root / name).write_text("a")
        (root / name).chmod(0o660)
    ensure_dir(root, inner("uploads"))
    (root / ".portolan" / "secret").write_text("s")
    return folder_of(project)


def mirror(folder: Folder) -> Folder:
    mirror_folder(str(folder.pk))
    folder.refresh_from_db()
    assert folder.acl_problem == ""
    return folder


def as_user(uid: int, code: str) -> bool:
    """True when ``code`` ran without an error as that user, below directories which everybody may pass."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import os\nos.setgroups([]); os.setgid({uid}); os.setuid({uid})\n{code}"],
        capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    return done.returncode == 0


@pytest.fixture
def passable(tmp_path):
    """Other users can get as far as the project's directory: pytest's own folders are private."""
    if os.geteuid() != 0:
        pytest.fail(ROOT_ONLY)
    changed = []
    for above in [tmp_path / "home" / "projects", *(tmp_path / "home" / "projects").parents]:
        mode = above.stat().st_mode & 0o7777
        if not mode & 0o001:
            changed.append((above, mode))
            above.chmod(mode | 0o001)
    yield
    for above, mode in changed:
        above.chmod(mode)


def test_roles_are_what_the_kernel_lets_people_do(mirrored, root, passable):
    mirror(mirrored)
    read, write = f"open({str(root / 'data/a.mrc')!r}).read()", f"open({str(root / 'data/a.mrc')!r}, 'a').write('b')"
    for name, may_write in (("viewer", False), ("contributor", True), ("manager", True)):
        assert as_user(UIDS[name], read), name
        assert as_user(UIDS[name], write) is may_write, name
    assert not as_user(5999, read)
    assert not as_user(UIDS["manager"], f"open({str(root / '.portolan/secret')!r}).read()")


def test_new_files_and_finished_uploads_can_be_read_too(mirrored, root, passable):
    mirror(mirrored)
    (root / "data" / "later.txt").write_text("later")
    (root / ".portolan" / "uploads" / "part").write_text("whole")
    os.rename(root / ".portolan" / "uploads" / "part", root / "uploaded.txt")
    for name in ("data/later.txt", "uploaded.txt"):
        assert as_user(UIDS["viewer"], f"open({str(root / name)!r}).read()"), name


def test_who_loses_the_role_is_out(mirrored, root, passable, manager):
    mirror(mirrored)
    Membership.objects.filter(user=manager).delete()
    mirror_roles_now(mirrored)
    assert not as_user(UIDS["manager"], f"os.listdir({str(root)!r})")
    assert UIDS["manager"] not in setfacl.held_on(root / "data").access


def test_taking_needs_one_call_whatever_the_size(mirrored, root):
    mirror(mirrored)
    setfacl.take(root, [UIDS["viewer"]])
    assert UIDS["viewer"] not in setfacl.held_on(root).access
    assert UIDS["viewer"] in setfacl.held_on(root / "data").access


def mirror_roles_now(folder: Folder) -> None:
    folder.refresh_from_db()
    for one in acls.out_of_step(acls.mirrored()):
        acls.mirror(one)


def test_only_folders_whose_roles_changed_are_worked_on(mirrored, viewer, monkeypatch):
    queued: list[str] = []
    monkeypatch.setattr(mirror_folder, "delay", queued.append)
    mirror_roles()
    assert queued == [str(mirrored.pk)]
    mirror(mirrored)
    mirror_roles()
    assert len(queued) == 1
    Membership.objects.filter(user=viewer).update(role="contributor")
    mirror_roles()
    assert len(queued) == 2


def test_an_archived_project_is_read_only_on_disk(mirrored, project, owner, root):
    archive_project(owner, project.pk)
    mirror(mirrored)
    assert set(setfacl.held_on(root).access.values()) == {setfacl.READ}


def test_a_suspended_account_holds_no_role(mirrored, project, contributor):
    User.objects.filter(pk=contributor.pk).update(is_active=False)
    assert contributor not in [user for user, _ in people_with_roles(project)]
    assert str(UIDS["contributor"]) not in acls.wanted_of(mirrored)


def test_drift_is_found_and_repaired(mirrored, root, capsys):
    mirror(mirrored)
    assert acls.check_all() == []
    subprocess.run(["setfacl", "-x", f"u:{UIDS['viewer']}", "-m", "u:5999:rwx", str(root)], check=True)
    found = acls.check_all()[0]
    assert "5101 has nothing on the folder; the role gives r-x." in found.differences
    assert "uid 5999 has rwx on the folder; the role gives nothing." in found.differences
    with pytest.raises(CommandError, match="differ"):
        call_command("posix_acls")
    call_command("posix_acls", "--repair")
    assert "Repaired: Apoferritin" in capsys.readouterr().out
    assert acls.check_all() == []


def test_the_portals_own_area_stays_closed_also_when_it_is_made_later(project, root):
    User.objects.filter(username="viewer").update(posix_account="5101")
    StorageSite.objects.update(posix_acls=True)
    mirror(folder_of(project))
    ensure_dir(root, inner("uploads"))
    assert setfacl.held_on(root / ".portolan").access == {}
    assert acls.check_all() == []
    subprocess.run(["setfacl", "-m", "u:5101:rwx", str(root / ".portolan")], check=True)
    assert "can enter .portolan" in acls.check_all()[0].differences[0]


def test_an_operators_own_entry_for_a_group_stays(mirrored, root):
    subprocess.run(["setfacl", "-m", "g:5555:r-x", str(root)], check=True)
    mirror(mirrored)
    assert "group:5555:r-x" in subprocess.run(
        ["getfacl", "-pn", str(root)], capture_output=True, text=True, check=True
    ).stdout  # fmt: skip


def test_a_link_leads_no_entry_outside(mirrored, root, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("x")
    (root / "data" / "link").symlink_to(outside)
    (root / "data" / "dir").symlink_to(tmp_path)
    mirror(mirrored)
    acl = subprocess.run(["getfacl", "-pn", str(outside)], capture_output=True, text=True, check=True).stdout
    assert "user:5" not in acl


def test_an_account_that_this_machine_does_not_know_is_told(mirrored, owner):
    User.objects.filter(pk=owner.pk).update(posix_account="nobody_of_this_name")
    mirror_folder(str(mirrored.pk))
    mirrored.refresh_from_db()
    assert mirrored.acl_problem == "This machine does not know the accounts nobody_of_this_name."
    assert acls.check_all()[0].unknown == ["nobody_of_this_name"]


def test_a_storage_without_access_lists_is_told_and_nothing_breaks(mirrored, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    mirror_folder(str(mirrored.pk))
    mirrored.refresh_from_db()
    assert "getfacl could not be run" in mirrored.acl_problem
    assert mirrored.acl_written is None


def test_a_site_that_does_not_say_so_is_left_alone(project, root):
    User.objects.update(posix_account="5101")
    mirror_folder(str(folder_of(project).pk))
    assert setfacl.held_on(root).access == {}
    assert Project.objects.get(pk=project.pk).folder.acl_at is None


def test_more_files_than_one_call_takes_and_odd_ones_between(mirrored, root, monkeypatch):
    monkeypatch.setattr(setfacl, "_BATCH", 3)
    for number in range(10):
        (root / f"{number}.txt").write_text("x")
        (root / f"{number}.link").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    mirror(mirrored)
    for number in range(10):
        text = subprocess.run(
            ["getfacl", "-pn", str(root / f"{number}.txt")], capture_output=True, text=True, check=True
        )
        assert "user:5101:r--" in text.stdout
