"""Imports as the API tells and takes them."""

from rest_framework import serializers

from accounts.serializers import Body
from storage.models import Conflict, Import, ImportFile, ImportFileState, ImportKind

PATH_LENGTH = 2000

ADDRESS_LENGTH = 2000


class EntrySerializer(Body):
    """What lets an import in."""

    addresses = serializers.ListField(
        child=serializers.CharField(max_length=ADDRESS_LENGTH),
        max_length=10_000,
        help_text="One, or many files on web servers. S3: `https://server/bucket/folder` or `s3://bucket/folder`.",
    )
    user = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="Or the id of an S3 key. It is forgotten at the end."
    )
    password = serializers.CharField(
        max_length=4000, default="", allow_blank=True, trim_whitespace=False, write_only=True,
        help_text="An app password, the key's secret, or, without a user, a bearer token. It is forgotten at the end.",
    )  # fmt: skip
    region = serializers.CharField(max_length=60, default="", allow_blank=True, help_text="Of an S3 server.")


class NewImportSerializer(EntrySerializer):
    """An import to make."""

    kind = serializers.ChoiceField(choices=ImportKind.choices)
    target = serializers.CharField(
        max_length=PATH_LENGTH, default="", allow_blank=True, trim_whitespace=False,
        help_text="Folder in the project. Empty: the whole folder.",
    )  # fmt: skip
    conflict = serializers.ChoiceField(choices=Conflict.choices, default=Conflict.SKIP)
    start = serializers.BooleanField(
        default=False, help_text="Begin by itself once all is listed and fits; else it waits for `start/`."
    )


class StartSerializer(EntrySerializer):
    """What was forgotten when an import stopped."""

    addresses = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(max_length=ADDRESS_LENGTH),
        max_length=10_000,
        default=list,
        help_text="Only where the address itself was a secret.",
    )


class ImportSerializer(serializers.ModelSerializer):
    """An import, without its secrets."""

    created_by = serializers.CharField(source="created_by.display_name", read_only=True)
    received = serializers.IntegerField(source="come", read_only=True, help_text="Bytes that are here.")

    class Meta:
        model = Import
        fields = (
            "id", "kind", "source", "target", "conflict", "state", "files", "size", "done_files", "received",
            "left_out", "failed_files", "rate", "code", "problem", "created_by", "created_at", "started_at",
            "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class ImportFileSerializer(serializers.ModelSerializer):
    """One file of an import; `verified` is the source's checksum that it was compared with."""

    class Meta:
        model = ImportFile
        fields = (
            "id", "path", "state", "size", "received", "tries", "retry_at", "code", "problem", "sha256", "verified",
        )  # fmt: skip
        read_only_fields = fields


class FilesQuerySerializer(serializers.Serializer):
    """Which files of an import."""

    state = serializers.ChoiceField(choices=ImportFileState.choices, required=False)
