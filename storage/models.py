"""Storage sites, project folders, uploads and what was deleted a short while ago."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from common.models import UUIDModel
from projects.models import Project


class SiteKind(models.TextChoices):
    """How a storage site is spoken to."""

    POSIX = "posix", "Mounted file system"
    WEBDAV = "webdav", "dCache or XRootD: WebDAV with macaroons"
    S3 = "s3", "S3-compatible store"


class StorageSite(UUIDModel):
    """Where folders live: a mounted file system, or a store with a door of its own, whose bytes never pass us."""

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=SiteKind.choices, default=SiteKind.POSIX)
    root = models.CharField(
        max_length=1000,
        blank=True,
        help_text="Of a mounted one: directory on this machine under which project folders are made.",
    )
    base_url = models.CharField(max_length=500, blank=True, help_text="Of one with its own door: scheme, host, port.")
    prefix = models.CharField(max_length=500, blank=True, help_text="Path there under which project folders are made.")
    settings: models.JSONField = models.JSONField(
        default=dict, blank=True, help_text="What the kind takes; secrets are named by their file, never written here."
    )
    offered = models.BooleanField(default=False, help_text="Owners may attach a folder on it to their projects.")
    probe: models.JSONField = models.JSONField(default=dict, blank=True, help_text="What the last probe found.")
    probed_at = models.DateTimeField(null=True, blank=True)
    default_quota_bytes = models.BigIntegerField(null=True, blank=True)
    default_quota_files = models.BigIntegerField(null=True, blank=True)
    is_default = models.BooleanField(default=False)
    posix_acls = models.BooleanField(default=False, help_text="Mirror roles into the folders' POSIX access lists.")

    def __str__(self) -> str:
        return self.name


class FolderState(models.TextChoices):
    """How far the folder's first filling is."""

    PREPARING = "preparing", "Copying its first files"
    READY = "ready", "Ready"
    FAILED = "failed", "Copying failed"


class Folder(UUIDModel):
    """A project's directory on a storage site: ``<site root>/<project id>/``."""

    project = models.OneToOneField(Project, on_delete=models.PROTECT, related_name="folder")
    site = models.ForeignKey(StorageSite, on_delete=models.PROTECT, related_name="folders")
    state = models.CharField(max_length=12, choices=FolderState.choices, default=FolderState.READY)
    source = models.CharField(
        max_length=300, blank=True, help_text="'sample' or the id of the project it is copied from."
    )
    problem = models.TextField(blank=True)
    quota_bytes = models.BigIntegerField(null=True, blank=True)
    quota_files = models.BigIntegerField(null=True, blank=True)
    used_bytes = models.BigIntegerField(default=0)
    used_files = models.BigIntegerField(default=0)
    measured_at = models.DateTimeField(null=True, blank=True)
    acl_written: models.JSONField = models.JSONField(
        default=None, null=True, blank=True, help_text="POSIX account -> rights, as written last."
    )
    acl_problem = models.TextField(blank=True)
    acl_at = models.DateTimeField(null=True, blank=True)


class RemoteFolder(UUIDModel):
    """A project's folder on a site with its own door: ``<prefix>/<project id>/data/``, until it is detached."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="remote_folders")
    site = models.ForeignKey(StorageSite, on_delete=models.PROTECT, related_name="remote_folders")
    label = models.CharField(max_length=100)
    attached_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    detached_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "site"], condition=models.Q(detached_at=None), name="one_remote_folder_per_site"
            )
        ]


class UploadState(models.TextChoices):
    """How an upload stands."""

    OPEN = "open", "Uploading"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Ended unfinished"
    JOINED = "joined", "Became part of another upload"


class UploadKind(models.TextChoices):
    """What an upload becomes."""

    WHOLE = "whole", "A file"
    PART = "part", "A part that is joined with others (tus concatenation)"


class Upload(UUIDModel):
    """A file on its way into a folder; its size is reserved from the quota until it ends."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="uploads")
    path = models.CharField(max_length=2000, help_text="Final path in the folder.")
    kind = models.CharField(max_length=8, choices=UploadKind.choices, default=UploadKind.WHOLE)
    size = models.BigIntegerField(help_text="Bytes; while the length is not told, the bytes reserved so far.")
    deferred = models.BooleanField(default=False, help_text="The length is not told yet.")
    joins = models.JSONField(default=list, blank=True, help_text="Ids of the parts that it is joined from, in order.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Expected or, when done, found.")
    token_digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    state = models.CharField(max_length=12, choices=UploadState.choices, default=UploadState.OPEN, db_index=True)
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["folder", "path"],
                condition=models.Q(state="open", kind="whole"),
                name="one_open_upload_per_path",
            )
        ]


class TrashItem(UUIDModel):
    """Something deleted, kept under ``.portolan/trash/<id>/`` in the folder until it expires."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="trash")
    path = models.CharField(max_length=2000, help_text="Where it was.")
    is_dir = models.BooleanField(default=False)
    deleted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField(db_index=True)
    restored_at = models.DateTimeField(null=True, blank=True)
    purged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]


class UsagePoint(models.Model):
    """What a folder held at one time; a forecast is drawn through them."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="usage")
    at = models.DateTimeField(default=timezone.now)
    size = models.BigIntegerField()
    files = models.BigIntegerField()

    class Meta:
        ordering: ClassVar = ["at"]
        indexes: ClassVar = [models.Index(fields=["folder", "at"])]


class FileSum(UUIDModel):
    """The SHA-256 of a file as it was when ``size`` and ``mtime_ns`` were these; its row is also the file's arrival."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="sums")
    path = models.CharField(max_length=2000)
    size = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    source = models.CharField(max_length=12, help_text="Where it was computed: on the way in, or by reading again.")
    parts = models.JSONField(default=list, blank=True, help_text="[start, length, SHA-256] of parallel parts.")
    checked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["path"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["folder", "path"], name="one_sum_per_path")]


class CheckState(models.TextChoices):
    """How a check of files stands."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Reading"
    DONE = "done", "Done"
    FAILED = "failed", "Stopped"


class Check(UUIDModel):
    """Files read again, in slices: their checksums are noted, or compared with what was noted."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="checks")
    path = models.CharField(max_length=2000, blank=True, help_text="File or folder; empty is the whole project.")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=12, choices=CheckState.choices, default=CheckState.WAITING, db_index=True)
    files = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    done_files = models.BigIntegerField(default=0)
    done_size = models.BigIntegerField(default=0)
    position = models.BigIntegerField(default=0, help_text="Byte of the list of files where the next slice begins.")
    problems = models.JSONField(default=list, blank=True)
    problem_count = models.BigIntegerField(default=0)
    problem = models.TextField(blank=True, help_text="Why it stopped.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]


class Dataset(UUIDModel):
    """A folder that was marked complete: nothing in it changes until a manager unlocks it."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="datasets")
    path = models.CharField(max_length=2000)
    marked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    check_run = models.ForeignKey(Check, null=True, on_delete=models.SET_NULL, related_name="datasets")
    files = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    sealed_at = models.DateTimeField(null=True, blank=True, help_text="When its manifest was written.")
    unlocked_at = models.DateTimeField(null=True, blank=True)
    unlocked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["folder", "path"], condition=models.Q(unlocked_at=None), name="one_lock_per_path"
            )
        ]


class TransferLink(UUIDModel):
    """A temporary, narrowed, revocable credential to a part of a folder, for a door. Its secret is not in the row."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="links")
    path = models.CharField(max_length=2000, blank=True, help_text="What it opens; empty is the whole folder.")
    is_file = models.BooleanField(default=False)
    rights: models.JSONField = models.JSONField(default=list)
    label = models.CharField(max_length=100, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="links")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    networks: models.JSONField = models.JSONField(default=list, blank=True)
    max_bytes = models.BigIntegerField(null=True, blank=True)
    max_uses = models.IntegerField(null=True, blank=True)
    expected_bytes = models.BigIntegerField(null=True, blank=True, help_text="What is announced to be sent.")
    spent_bytes = models.BigIntegerField(default=0, help_text="Of max_bytes, with what is under way.")
    uses = models.IntegerField(default=0)
    bytes_in = models.BigIntegerField(default=0)
    bytes_out = models.BigIntegerField(default=0)
    files_in = models.BigIntegerField(default=0)
    files_out = models.BigIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["folder", "-created_at"], name="links_of_folder")]

    @property
    def live(self) -> bool:
        """True until it is revoked or has ended."""
        return self.revoked_at is None and self.expires_at > timezone.now()


class RemoteLink(UUIDModel):
    """A credential that a site gave, at our word, to a part of a remote folder. It is not in the row, and it can't be
    taken back: it ends."""

    folder = models.ForeignKey(RemoteFolder, on_delete=models.CASCADE, related_name="links")
    path = models.CharField(max_length=2000, blank=True, help_text="What it opens; empty is the whole folder.")
    is_file = models.BooleanField(default=False)
    rights: models.JSONField = models.JSONField(default=list)
    label = models.CharField(max_length=100, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="remote_links")
    expires_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["folder", "-created_at"], name="links_of_remote_folder")]

    @property
    def live(self) -> bool:
        """True until it has ended."""
        return self.expires_at > timezone.now()


class LinkAccess(models.Model):
    """One thing that was done, or refused, by a link; the newest are kept."""

    id = models.BigAutoField(primary_key=True)
    link = models.ForeignKey(TransferLink, on_delete=models.CASCADE, related_name="accesses")
    at = models.DateTimeField(default=timezone.now)
    address = models.GenericIPAddressField(null=True)
    operation = models.CharField(max_length=12)
    path = models.CharField(max_length=2000, blank=True)
    size = models.BigIntegerField(default=0)
    outcome = models.CharField(max_length=40)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["link", "-id"], name="accesses_of_link")]


class LinkUpload(models.Model):
    """An upload that a link began, so that the same link can go on with it."""

    upload = models.OneToOneField(Upload, on_delete=models.CASCADE, related_name="of_link")
    link = models.ForeignKey(TransferLink, on_delete=models.CASCADE, related_name="uploads")


class DavNote(models.Model):
    """What WebDAV clients have left at a path: locks, and properties of their own."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="dav_notes")
    kind = models.CharField(max_length=4)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the key, which may be too long for an index.")
    key = models.TextField()
    value = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["folder", "kind", "digest"], name="one_dav_note_per_key")
        ]


class ImportKind(models.TextChoices):
    """What kind of place files are imported from."""

    WEBDAV = "webdav", "Nextcloud, ownCloud or another WebDAV folder"
    HTTP = "http", "Web folder or files (HTTP)"
    S3 = "s3", "S3 bucket"


class Conflict(models.TextChoices):
    """What becomes of a file whose name is taken."""

    SKIP = "skip", "Leave it out"
    RENAME = "rename", "Keep both"
    REPLACE = "replace", "Replace what is there"


class ImportState(models.TextChoices):
    """How an import stands."""

    LISTING = "listing", "Looking at the source"
    LISTED = "listed", "Ready to start"
    RUNNING = "running", "Bringing files"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    FAILED = "failed", "Stopped"
    CANCELLED = "cancelled", "Cancelled"


class Import(UUIDModel):
    """Files that are brought from an outside place into a folder; room for what is still to come is reserved."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="imports")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="imports")
    kind = models.CharField(max_length=8, choices=ImportKind.choices)
    source = models.CharField(max_length=2000, help_text="The address for people; nothing secret is in it.")
    target = models.CharField(max_length=2000, blank=True, help_text="Folder in the project.")
    conflict = models.CharField(max_length=8, choices=Conflict.choices, default=Conflict.SKIP)
    starts_itself = models.BooleanField(default=False, help_text="Once it is known what comes, and there is room.")
    addresses: models.JSONField = models.JSONField(default=list, help_text="Sealed where they may hold a secret.")
    region = models.CharField(max_length=60, blank=True)
    secret = models.TextField(blank=True, help_text="Sealed: user and password. Empty once it has ended.")
    tries = models.IntegerField(default=0, help_text="How often in a row the source could not be listed.")
    state = models.CharField(max_length=12, choices=ImportState.choices, default=ImportState.LISTING, db_index=True)
    todo: models.JSONField = models.JSONField(default=list, blank=True, help_text="Places still to be looked at.")
    files = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0, help_text="Bytes of all files whose size is known.")
    done_files = models.BigIntegerField(default=0)
    done_size = models.BigIntegerField(default=0)
    left_out = models.BigIntegerField(default=0, help_text="Files that were left out because their name was taken.")
    failed_files = models.BigIntegerField(default=0)
    moving = models.BigIntegerField(default=0, help_text="Bytes here of files that are not whole yet.")
    rate = models.BigIntegerField(default=0, help_text="Bytes in a second, lately.")
    reserved_size = models.BigIntegerField(default=0)
    reserved_files = models.BigIntegerField(default=0)
    code = models.CharField(max_length=40, blank=True)
    problem = models.TextField(blank=True, help_text="Why it does not go on.")
    turn_at = models.DateTimeField(default=timezone.now, help_text="When a worker last worked on it.")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    @property
    def come(self) -> int:
        """Bytes that are here."""
        return self.done_size + self.moving


class ImportFileState(models.TextChoices):
    """How one file of an import stands."""

    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    LEFT_OUT = "left_out", "Left out"
    FAILED = "failed", "Failed"


class ImportFile(models.Model):
    """One file of an import: where it comes from, what is known of it there, and how much of it is here."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="items")
    path = models.CharField(max_length=2000, help_text="In the project; where it can't be stored, its name there.")
    address = models.TextField(blank=True, help_text="Sealed where it may hold a secret.")
    measured = models.BooleanField(default=True)
    size = models.BigIntegerField(null=True, blank=True)
    etag = models.CharField(max_length=300, blank=True)
    modified = models.CharField(max_length=60, blank=True)
    sums: models.JSONField = models.JSONField(default=dict, blank=True, help_text="Checksums that the source tells.")
    state = models.CharField(max_length=12, choices=ImportFileState.choices, default=ImportFileState.WAITING)
    received = models.BigIntegerField(default=0, help_text="Bytes that are durable here.")
    tries = models.IntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    code = models.CharField(max_length=40, blank=True)
    problem = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    verified = models.CharField(max_length=12, blank=True, help_text="The source's checksum that it was compared with.")
    inode = models.BigIntegerField(null=True, blank=True, help_text="Of the file that is about to get its name.")

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["run", "state", "id"], name="items_of_import")]
