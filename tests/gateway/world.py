"""What the examples of the API speak of: rows with their ids, and files on disk."""

import os
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.utils import timezone

from accounts.authentication import digest
from accounts.groups import refresh_groups
from accounts.models import ApiToken, ExternalIdentity, Group, PolicyAcceptance, Seat, User
from accounts.scopes import Scope
from gateway.schema import EXAMPLE_IDS
from jobs.models import Attempt, ComputeSite, Element, Job, JobEvent, Result
from jobs.states import Does, ElementState, JobState
from projects.audit import record
from projects.models import AccessRequest, GroupGrant, Invitation, Membership, Project
from projects.roles import Role
from storage.checks import run_slice
from storage.filling import make_root
from storage.models import (
    Check,
    Dataset,
    Folder,
    FolderState,
    Import,
    ImportFile,
    ImportState,
    LinkAccess,
    RemoteFolder,
    RemoteLink,
    StorageSite,
    TransferLink,
    TrashItem,
    Upload,
)
from storage.services.files import delete
from storage.services.folders import ensure_default_site
from storage.uploads import parts

INPUTS = {"movies": {"pattern": "movies/*.tiff"}, "pixel_size": 0.885, "voltage": 300, "dose_per_frame": 1.2}
POLICY_VERSION = "2026-1"
CODE = "Kx8vQ2nT0aYwE5rLz7cJm1bHs3dFp9gUiO4kXeVtR6M"
IDS = {name: UUID(value) for name, value in EXAMPLE_IDS.items()}


class World:
    """A project with a member of each role, some files, one thing in the trash and one upload that is whole."""

    def __init__(self, sample_dir: Path) -> None:
        self.people = {role: _person(role) for role in Role.values}
        self.people["operator"] = User.objects.create_superuser("operator", password="a long password")
        self.stranger = _person("stranger")
        self.project = self._project()
        self.root = self._files()
        self._ada()
        self._group()
        self._asked()
        self._institute()
        self._job()
        sample_dir.mkdir(parents=True)
        (sample_dir / "movie.mrcs").write_bytes(b"x" * 100)
        for user in User.objects.all():
            PolicyAcceptance.objects.create(user=user, version=POLICY_VERSION, digest="0" * 64)
        User.objects.update(policy_version=POLICY_VERSION)
        for person in (*self.people.values(), self.stranger):
            person.policy_version = POLICY_VERSION

    def _project(self) -> Project:
        project = Project.objects.create(pk=IDS["project_id"], name="Apoferritin", description="Grid 7, Krios 2")
        for role in Role.values:
            user = self.people[role]
            Membership.objects.create(project=project, user=user, role=role, granted_by=self.people["owner"])
        record(project, self.people["owner"], "project.created", project.name)
        record(None, self.people["operator"], "account.opened", "ada", why="Back at the institute.")
        return project

    def _ada(self) -> None:
        """A person whom the examples change, and one whom they add."""
        ada = User.objects.create_user(pk=IDS["user_id"], username="ada", first_name="Ada", last_name="Lovelace")
        Membership.objects.create(project=self.project, user=ada, role="viewer", granted_by=self.people["owner"])
        User.objects.create_user(
            pk=IDS["suspended_id"], username="mallory", is_active=False, suspended_why="Left the institute."
        )
        ExternalIdentity.objects.create(user=ada, issuer="https://aai.egi.eu/auth/realms/egi", subject="1815@egi.eu")
        User.objects.create_user(username="grace", first_name="Grace", last_name="Hopper")

    def _group(self) -> None:
        """A group of an AAI with a role in the project, and one person in it."""
        lin = User.objects.create_user(username="lin", first_name="Lin", last_name="Chen")
        names = {"issuer": "https://aai.egi.eu/auth/realms/egi", "namespace": "urn:mace:egi.eu", "path": "cryo"}
        group = Group.objects.create(**names)
        identity = ExternalIdentity.objects.create(user=lin, issuer=names["issuer"], subject="lin@egi.eu")
        refresh_groups(identity, {"entitlements": ["urn:mace:egi.eu:group:cryo#aai.egi.eu"]})
        words = {"role": "viewer", "purpose": "Beam time 2026-7", "granted_by": self.people["owner"]}
        GroupGrant.objects.create(pk=IDS["grant_id"], project=self.project, group=group, **words)
        team = Group.objects.create(pk=IDS["group_id"], path="team", name="The grid team", description="Who cuts grids")
        for person in self.people.values():
            Seat.objects.create(group=team, user=person, keeper=True)
        Seat.objects.create(group=team, user_id=IDS["user_id"])

    def _asked(self) -> None:
        """Somebody is invited, and somebody asks to be let in; others ask elsewhere."""
        owner = self.people["owner"]
        Invitation.objects.create(
            pk=IDS["invitation_id"],
            project=self.project,
            email="rosalind@example.org",
            role="contributor",
            digest=digest(CODE),
            invited_by=owner,
            expires_at=timezone.now() + timedelta(days=14),
        )
        words = {"purpose": "I took the data of grid 7"}
        AccessRequest.objects.create(pk=IDS["request_id"], project=self.project, user=self.stranger, **words)
        elsewhere = {"project_id": IDS["job_id"], **words}
        AccessRequest.objects.create(user=self.people["viewer"], **elsewhere)
        AccessRequest.objects.create(pk=IDS["own_request_id"], user=self.people["operator"], **elsewhere)

    def _institute(self) -> None:
        """The viewer comes from an institute that puts them into a group."""
        issuer = "https://aai.egi.eu/auth/realms/egi"
        identity = ExternalIdentity.objects.create(user=self.people["viewer"], issuer=issuer, subject="5f3a@egi.eu")
        refresh_groups(identity, {"entitlements": ["urn:mace:egi.eu:group:cryo.example.org#aai.egi.eu"]})

    def _job(self) -> None:
        """A job that runs, whose first result is there already."""
        site = ComputeSite.objects.create(name="here", cores=8, memory_mb=16000, last_answer_at=timezone.now())
        job = Job.objects.create(
            pk=IDS["job_id"],
            project=self.project,
            number=1,
            tool="movie_alignment",
            tool_digest="0" * 64,
            title="First look",
            inputs=INPUTS,
            job_order=INPUTS,
            site=site,
            state=JobState.RUNNING,
            progress={"done": 1, "total": 2, "text": "aligned mic_001"},
            submitted_by=self.people["contributor"],
            started_at=timezone.now(),
        )
        JobEvent.objects.create(job=job, from_state="created", to_state="staging_in", actor=None)
        attempt = Attempt.objects.create(job=job, number=1, site=site, does=Does.ELEMENTS)
        element = Element(attempt=attempt, index=0, place=0, state=ElementState.RUNNING, last_word="RUNNING")
        element.began_at = timezone.now()
        element.save()
        folder = self.root / job.folder_path
        folder.mkdir(parents=True)
        (folder / "stdout.log").write_text("portolan-progress: 1/2 aligned mic_001\n")
        (folder / "command.txt").write_text("python3 movie_alignment.py --pixel_size 0.885\n")
        self._failed_job(site)
        Result.objects.create(
            job=job, output="table", title="Motion", path=f"{job.folder_path}/motion.csv", viewer="table", size=420
        )

    def _failed_job(self, site: ComputeSite) -> None:
        Job.objects.create(
            pk=IDS["failed_id"],
            project=self.project,
            number=2,
            tool="movie_alignment",
            tool_digest="0" * 64,
            inputs=INPUTS,
            job_order=INPUTS,
            site=site,
            memory_mb=4096,
            state=JobState.FAILED,
            failure={
                "code": "out_of_memory",
                "message": "It needed more memory.",
                "hint": "Give it more.",
                "input": "",
            },
            submitted_by=self.people["contributor"],
            finished_at=timezone.now(),
        )

    def _files(self) -> Path:
        folder = Folder.objects.create(project=self.project, site=self._site(), state=FolderState.READY)
        root = make_root(folder)
        (root / "movies").mkdir()
        for name in ("mic_001.tiff", "mic_002.tiff"):
            (root / "movies" / name).write_bytes(name.encode() * 100)
        (root / "notes.txt").write_text("Grid 7 looks good.\n")
        (root / "old.txt").write_text("not needed\n")
        self._trash(folder, root)
        self._upload(folder, root)
        self._link(folder)
        _remote(self.project, self.people)
        self._dataset(folder, root)
        _import(folder, self.people["contributor"])
        return root

    def _link(self, folder: Folder) -> None:
        link = TransferLink.objects.create(
            pk=IDS["link_id"], folder=folder, path="movies", rights=["list", "read"], label="For the microscope",
            created_by=self.people["contributor"], expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
        LinkAccess.objects.create(link=link, address="192.0.2.7", operation="read", size=5, outcome="ok")

    def _site(self) -> StorageSite:
        site = ensure_default_site()
        site.posix_acls = True
        site.save()
        return site

    def _dataset(self, folder: Folder, root: Path) -> None:
        """A folder that was marked complete, with its manifest."""
        (root / "final").mkdir()
        (root / "published").mkdir()
        (root / "published" / "map.mrc").write_bytes(b"map" * 100)
        check = Check.objects.create(pk=IDS["check_id"], folder=folder, path="published")
        Dataset.objects.create(
            pk=IDS["dataset_id"], folder=folder, path="published", check_run=check, marked_by=self.people["contributor"]
        )
        run_slice(check)

    def _trash(self, folder: Folder, root: Path) -> None:
        (root / "wrong.txt").write_text("deleted by mistake\n")
        item = delete(self.people["owner"], self.project.pk, ["wrong.txt"])[0]
        trash = root / ".portolan" / "trash"
        os.rename(trash / str(item.pk), trash / str(IDS["trash_id"]))
        TrashItem.objects.filter(pk=item.pk).update(id=IDS["trash_id"])

    def _upload(self, folder: Folder, root: Path) -> None:
        Upload.objects.create(
            pk=IDS["upload_id"],
            folder=folder,
            path="movies/mic_003.tiff",
            size=5,
            token_digest=digest("x"),
            created_by=self.people["contributor"],
            expires_at=timezone.now() + timedelta(days=1),
        )
        parts.create_part(root, IDS["upload_id"], parts.PartInfo(path="movies/mic_003.tiff", size=5, overwrite=False))
        (root / ".portolan" / "uploads" / f"{IDS['upload_id']}.part").write_bytes(b"bytes")

    def with_token(self, user: User, **narrow: object) -> ApiToken:
        """The token and the login that the examples speak of belong to ``user``."""
        ExternalIdentity.objects.create(pk=IDS["identity_id"], user=user, issuer="https://idp.example.org", subject="s")
        values = {"scopes": Scope.values, "label": "laptop", "prefix": "ptl_Ab3dEf9h", "digest": digest("secret")}
        values |= {"expires_at": timezone.now() + timedelta(days=90), "user": user} | narrow
        return ApiToken.objects.create(pk=IDS["token_id"], **values)


def _person(name: str) -> User:
    return User.objects.create_user(username=name, password="a long password", email=f"{name}@example.org")


def _remote(project: Project, people: dict[str, User]) -> None:
    """Two sites with doors of their own; the project has a folder at one."""
    words = {"kind": "webdav", "offered": True, "probe": {"ok": True, "limits": [], "checks": []}}
    words |= {"settings": {"secret_file": "/etc/portolan/dcache.secret", "site_name": "dcache"}}
    archive = StorageSite.objects.create(
        name="archive", base_url="https://archive.example.org:2880", prefix="/data/portolan", **words
    )
    StorageSite.objects.create(name="tape", base_url="https://tape.example.org", prefix="/portolan", **words)
    folder = RemoteFolder.objects.create(
        pk=IDS["remote_id"], project=project, site=archive, label="Archive", attached_by=people["owner"]
    )
    RemoteLink.objects.create(
        folder=folder, path="raw", rights=["list", "read"], label="For Grace", created_by=people["viewer"],
        expires_at=timezone.now() + timedelta(hours=1),
    )  # fmt: skip


def _import(folder: Folder, user: User) -> None:
    """An import that runs: one of its files is here, one could not come."""
    run = Import.objects.create(
        pk=IDS["import_id"], folder=folder, created_by=user, kind="webdav", target="raw",
        source="https://b2drop.example.org/s/…", state=ImportState.RUNNING, files=3, size=3_000_000_000,
        done_files=1, done_size=1_000_000_000, failed_files=1, rate=52_000_000, started_at=timezone.now(),
    )  # fmt: skip
    digest_of_it = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    ImportFile.objects.create(
        run=run, path="raw/mic_001.mrc", state="done", size=10**9, received=10**9, sha256=digest_of_it,
        verified="sha1",
    )  # fmt: skip
    ImportFile.objects.create(run=run, path="raw/mic_002.mrc", size=2 * 10**9, received=7 * 10**8)
    words = {"code": "source_missing", "problem": "The source has nothing at this address (status 404)."}
    ImportFile.objects.create(run=run, path="raw/mic_003.mrc", state="failed", size=10**9, **words)
