"""The portal's part in the door's tests: a process with the door's settings that does what it reads, line by line.

``{"do": "begin", "with": {…}}`` on standard input is answered by ``{"ok": …}`` or ``{"refused": code}``.
"""

import json
import sys
import uuid

import django

django.setup()

from datetime import timedelta  # noqa: E402

from django.utils import timezone  # noqa: E402

from accounts.models import ApiToken, User  # noqa: E402
from common.errors import PortolanError  # noqa: E402
from projects.models import Membership, Project  # noqa: E402
from projects.roles import Role  # noqa: E402
from storage import locks, quota, sums  # noqa: E402
from storage.filling import make_root  # noqa: E402
from storage.listing import root_of  # noqa: E402
from storage.models import Dataset, Folder, TransferLink, TrashItem, Upload  # noqa: E402
from storage.services import link_keys, links, uploads  # noqa: E402
from storage.services.folders import ensure_default_site  # noqa: E402
from storage.uploads import lifecycle  # noqa: E402


def project(quota=None):
    """A new project with a folder and one member of each role, named for it."""
    found = Project.objects.create(name="Apoferritin")
    for role in Role.values:
        user, _ = User.objects.get_or_create(username=role)
        Membership.objects.create(project=found, user=user, role=role)
    User.objects.get_or_create(username="stranger")
    folder = Folder.objects.create(project=found, site=ensure_default_site(), quota_bytes=quota)
    make_root(folder)
    return {"id": str(found.pk), "root": str(root_of(folder))}


def begin(user, project, **details):
    """The ticket of a new upload."""
    made = uploads.begin_upload(User.objects.get(username=user), project, **details)
    return {"url": made.url, "id": str(made.upload_id)}


def cancel(user, upload):
    """The upload is cancelled."""
    uploads.cancel_upload(User.objects.get(username=user), upload)


def finish_as(user, upload, path):
    """The whole upload has the name ``path``."""
    return uploads.finish_as(User.objects.get(username=user), upload, path=path)


def link(user, project, seconds=3600, **details):
    """A new link: its id, address and token."""
    made = links.create_link(User.objects.get(username=user), project, expires_in=seconds, **details)
    return {"id": str(made.link.pk), "url": made.url, "token": made.token, "commands": [vars(c) for c in made.commands]}


def revoke(user, project, link):
    """The link is revoked."""
    links.revoke_link(User.objects.get(username=user), project, link)


def key(user, project, link, public_key=""):
    """A key for the SSH door: its halves, the line of known hosts, and the commands."""
    made = link_keys.make_key(User.objects.get(username=user), project, link, public_key=public_key)
    return {
        "private": made.key.private_key, "certificate": made.key.certificate, "hosts": made.known_hosts,
        "commands": [vars(c) for c in made.commands],
    }  # fmt: skip


def end_link(link):
    """The link has ended just now."""
    TransferLink.objects.filter(pk=link).update(expires_at=timezone.now())


def traffic(link):
    """The link's counters and its log, oldest first."""
    found = TransferLink.objects.get(pk=link)
    log = found.accesses.order_by("id").values_list("operation", "path", "size", "outcome", "address")
    names = ("bytes_in", "bytes_out", "files_in", "files_out", "uses", "spent_bytes")
    return {name: getattr(found, name) for name in names} | {"log": [list(row) for row in log]}


def counters(project):
    """What the folder's counters say, and what is kept for open uploads."""
    found = Folder.objects.get(project_id=project)
    open_ones = Upload.objects.filter(folder=found, state="open").values_list("size", flat=True)
    return {"bytes": found.used_bytes, "files": found.used_files, "kept": sum(open_ones)}


def trash(project):
    """The paths that are in the trash."""
    return list(TrashItem.objects.filter(folder__project=project).values_list("path", flat=True))


def row(upload):
    """The upload's row and its folder's counters."""
    found = Upload.objects.select_related("folder").get(pk=upload)
    return {
        "state": found.state, "path": found.path, "sha256": found.sha256, "ends": found.expires_at.isoformat(),
        "size": found.size,
        "used_bytes": found.folder.used_bytes, "used_files": found.folder.used_files,
    }  # fmt: skip


def room(project):
    """What the project's folder has reserved for open uploads."""
    now = quota.room(Folder.objects.select_related("site").get(project=project))
    return {"reserved": now.reserved, "reserved_files": now.reserved_files, "left": now.left}


def sum_of(project, path):
    """What is noted of the checksum of a file."""
    found = sums.of_file(Folder.objects.select_related("site").get(project=project), path)
    return None if found is None else {"sha256": found.sha256, "parts": found.parts}


def compute_sums():
    """The SHA-256 of files that came without one is computed; of how many."""
    return sum(sums.compute(row) for row in sums.missing())


def lock(project, path):
    """The folder is a dataset that was marked complete."""
    folder = Folder.objects.select_related("site").get(project=project)
    Dataset.objects.create(folder=folder, path=path)
    locks.write_list(folder)


def role(project, user, role):
    """``user`` has ``role`` in the project now, or none."""
    Membership.objects.filter(project=project, user__username=user).delete()
    if role:
        Membership.objects.create(project_id=project, user=User.objects.get(username=user), role=role)


def archive(project):
    """The project is archived."""
    Project.objects.filter(pk=project).update(archived_at=timezone.now())


def token(user, scopes, days=1):
    """A personal token of ``user``."""
    secret = f"ptl_{uuid.uuid4().hex}"
    ApiToken.objects.create(
        user=User.objects.get(username=user), label="test", prefix=secret[:12], scopes=scopes,
        digest=lifecycle.digest(secret), expires_at=timezone.now() + timedelta(days=days),
    )  # fmt: skip
    return secret


def age(upload, days):
    """The upload's end is ``days`` nearer."""
    found = Upload.objects.get(pk=upload)
    Upload.objects.filter(pk=upload).update(expires_at=found.expires_at - timedelta(days=days))


def end_idle():
    """Idle uploads have ended; how many."""
    return lifecycle.end_idle()


def main():
    """Lines are read and answered until standard input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"ok": globals()[asked["do"]](**asked["with"])}
        except PortolanError as error:
            answer = {"refused": error.code}
        print(json.dumps(answer), flush=True)


main()
