"""Storage sites, project folders, uploads and what was deleted a short while ago."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from common.models import UUIDModel
from projects.models import Project


class StorageSite(UUIDModel):
    """Where folders live: a mounted file system."""

    name = models.CharField(max_length=60, unique=True)
    root = models.CharField(
        max_length=1000, help_text="Directory on this machine under which project folders are made."
    )
    default_quota_bytes = models.BigIntegerField(null=True, blank=True)
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
    used_bytes = models.BigIntegerField(default=0)
    used_files = models.BigIntegerField(default=0)
    measured_at = models.DateTimeField(null=True, blank=True)
    acl_written: models.JSONField = models.JSONField(
        default=None, null=True, blank=True, help_text="POSIX account -> rights, as written last."
    )
    acl_problem = models.TextField(blank=True)
    acl_at = models.DateTimeField(null=True, blank=True)


class UploadState(models.TextChoices):
    """How an upload stands."""

    OPEN = "open", "Uploading"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Ended unfinished"


class Upload(UUIDModel):
    """A file on its way into a folder; its size is reserved from the quota until it ends."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="uploads")
    path = models.CharField(max_length=2000, help_text="Final path in the folder.")
    size = models.BigIntegerField()
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
                fields=["folder", "path"], condition=models.Q(state="open"), name="one_open_upload_per_path"
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
