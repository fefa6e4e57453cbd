"""What the API says about projects, folders, files and uploads, and how it reads what is sent."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from accounts.serializers import Body
from projects.models import Project
from projects.roles import Role
from projects.services import DESCRIPTION_LENGTH, NAME_LENGTH
from storage.links import ssh_keys
from storage.links.rights import Right
from storage.models import Check, Dataset, Folder, LinkAccess, TransferLink, TrashItem
from storage.ordering import MATCH_LENGTH, SORTS
from storage.previews import FORMS
from storage.services.folders import EMPTY
from storage.services.links import url_of
from storage.services.uploads import LARGEST

PATH_LENGTH = 2000
MANY = 1000


class FolderSerializer(serializers.ModelSerializer):
    """A project's folder; ``state`` is ``ready`` once it can be worked in."""

    class Meta:
        model = Folder
        fields = ("state", "problem", "source", "used_bytes", "used_files", "quota_bytes", "measured_at")
        read_only_fields = fields


class ProjectSerializer(serializers.ModelSerializer):
    """A project, and the role in it of who asks."""

    role = serializers.ChoiceField(choices=Role.choices, source="my_role", read_only=True)
    folder = FolderSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Project
        fields = ("id", "name", "description", "role", "created_at", "archived_at", "cloned_from", "folder")
        read_only_fields = fields


class ProjectChangeSerializer(Body):
    """New name and purpose; what is left out stays."""

    name = serializers.CharField(max_length=NAME_LENGTH, required=False)
    description = serializers.CharField(max_length=DESCRIPTION_LENGTH, allow_blank=True, required=False)


class NewProjectSerializer(Body):
    """A project to make."""

    name = serializers.CharField(max_length=NAME_LENGTH)
    description = serializers.CharField(max_length=DESCRIPTION_LENGTH, allow_blank=True, default="")
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=60, default=EMPTY, help_text="`empty`, `sample`, or the id of a project whose files are copied."
    )


class CloneSerializer(Body):
    """The copy of a project to make."""

    name = serializers.CharField(max_length=NAME_LENGTH)
    description = serializers.CharField(max_length=DESCRIPTION_LENGTH, allow_blank=True, default="")


class EntrySerializer(serializers.Serializer):
    """One name in a folder; ``path`` is empty where the name can't be addressed."""

    name = serializers.CharField()
    path = serializers.CharField(allow_blank=True)
    kind = serializers.ChoiceField(choices=["file", "folder", "link", "other"])
    size = serializers.IntegerField(help_text="Bytes; 0 but for files.")
    modified = serializers.DateTimeField()


@extend_schema_serializer(many=False)
class ListingSerializer(serializers.Serializer):
    """One page of a folder. ``ordered`` is false where a very large folder is shown in the disk's order."""

    results = EntrySerializer(many=True)
    next = serializers.URLField(allow_null=True)
    ordered = serializers.BooleanField()


class FilesQuerySerializer(serializers.Serializer):
    """Which page of which folder, in which order."""

    path = serializers.CharField(max_length=PATH_LENGTH, default="", allow_blank=True, trim_whitespace=False)
    cursor = serializers.CharField(max_length=PATH_LENGTH, default="", allow_blank=True)
    page_size = serializers.IntegerField(min_value=1, max_value=MANY, default=100)
    sort = serializers.ChoiceField(choices=SORTS, default="name", help_text="Folders stay first.")
    descending = serializers.BooleanField(default=False)
    match = serializers.CharField(
        max_length=MATCH_LENGTH,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="A part of the name in any case of its letters, or with `*` and `?` a pattern of all of it.",
    )


class PathSerializer(Body):
    """One path in the folder."""

    path = serializers.CharField(max_length=PATH_LENGTH, trim_whitespace=False)


class MoveSerializer(Body):
    """From where to where; ``target`` is the whole new path."""

    source = serializers.CharField(max_length=PATH_LENGTH, trim_whitespace=False)  # type: ignore[assignment]
    target = serializers.CharField(max_length=PATH_LENGTH, trim_whitespace=False)


class PathsSerializer(Body):
    """Some paths in the folder."""

    paths = serializers.ListField(
        child=serializers.CharField(max_length=PATH_LENGTH, trim_whitespace=False), allow_empty=False, max_length=MANY
    )


class RestoreSerializer(Body):
    """What to take back from the trash."""

    trash_id = serializers.UUIDField()


class TrashSerializer(serializers.ModelSerializer):
    """Something deleted, and until when it can be taken back."""

    deleted_at = serializers.DateTimeField(source="created_at", read_only=True)
    deleted_by = serializers.CharField(source="deleted_by.display_name", read_only=True, allow_null=True, default=None)

    class Meta:
        model = TrashItem
        fields = ("id", "path", "is_dir", "deleted_at", "deleted_by", "expires_at", "restored_at")
        read_only_fields = fields


@extend_schema_serializer(many=False)
class TrashedSerializer(serializers.Serializer):
    """What is in the trash."""

    results = TrashSerializer(many=True)


class EmptiedSerializer(serializers.Serializer):
    """How many things are gone for good."""

    removed = serializers.IntegerField()


class ContentQuerySerializer(serializers.Serializer):
    """Which file."""

    path = serializers.CharField(max_length=PATH_LENGTH, trim_whitespace=False)
    inline = serializers.BooleanField(default=False, help_text="To be shown rather than saved, where that is safe.")


class PreviewQuerySerializer(serializers.Serializer):
    """Which file, and how to look at it."""

    path = serializers.CharField(max_length=PATH_LENGTH, trim_whitespace=False)
    form = serializers.ChoiceField(choices=FORMS, required=False, help_text="Left out: the usual one of the type.")
    axis = serializers.ChoiceField(choices=["x", "y", "z"], required=False, help_text="Across which a map is cut.")
    index = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, help_text="Slice or frame.")
    size = serializers.IntegerField(min_value=16, max_value=2048, required=False, help_text="Longer side in px.")
    low = serializers.FloatField(min_value=0, max_value=100, required=False, help_text="Percentile that is black.")
    high = serializers.FloatField(min_value=0, max_value=100, required=False, help_text="Percentile that is white.")
    black = serializers.FloatField(required=False, help_text="Value that is black, instead.")
    white = serializers.FloatField(required=False, help_text="Value that is white, instead.")
    table = serializers.CharField(max_length=200, required=False, help_text="Of the tables in a STAR file.")
    offset = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=2**20, required=False, help_text="Rows, or bytes of text.")
    sort = serializers.CharField(max_length=200, required=False, help_text="Column of a table.")
    descending = serializers.BooleanField(required=False)
    end = serializers.ChoiceField(choices=["head", "tail"], required=False, help_text="Of a text.")


class NewUploadSerializer(Body):
    """A file about to be sent to the door."""

    path = serializers.CharField(max_length=PATH_LENGTH, trim_whitespace=False, help_text="Its path in the folder.")
    size = serializers.IntegerField(min_value=0, max_value=LARGEST, help_text="Bytes.")
    sha256 = serializers.CharField(max_length=64, default="", allow_blank=True, help_text="Checked when it is whole.")
    overwrite = serializers.BooleanField(default=False)


class UploadTicketSerializer(serializers.Serializer):
    """Where to send the bytes with tus 1.0.0. ``url`` is a secret; it is told this once."""

    id = serializers.UUIDField(source="upload_id")
    url = serializers.URLField()
    expires_at = serializers.DateTimeField()


class OpenUploadSerializer(serializers.Serializer):
    """How an open upload stands."""

    id = serializers.UUIDField(source="upload_id")
    path = serializers.CharField()
    size = serializers.IntegerField()
    received = serializers.IntegerField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


@extend_schema_serializer(many=False)
class OpenUploadsSerializer(serializers.Serializer):
    """The unfinished uploads."""

    results = OpenUploadSerializer(many=True)


class FinishSerializer(Body):
    """The name under which a whole upload is to be placed."""

    path = serializers.CharField(max_length=PATH_LENGTH, trim_whitespace=False)
    overwrite = serializers.BooleanField(default=False)


class NewLinkSerializer(Body):
    """A transfer link to make."""

    path = serializers.CharField(
        max_length=PATH_LENGTH,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="Empty: the whole folder.",
    )
    rights = serializers.ListField(
        child=serializers.ChoiceField(choices=Right.choices), allow_empty=False, max_length=5
    )
    expires_in = serializers.IntegerField(min_value=60, max_value=366 * 86400, default=7 * 86400, help_text="Seconds.")
    label = serializers.CharField(max_length=100, default="", allow_blank=True)  # type: ignore[assignment]
    max_bytes = serializers.IntegerField(min_value=1, max_value=LARGEST, default=None, allow_null=True)
    max_uses = serializers.IntegerField(
        min_value=1, max_value=10**9, default=None, allow_null=True, help_text="Downloads and uploads."
    )
    networks = serializers.ListField(
        child=serializers.CharField(max_length=50), default=list, max_length=20, help_text="From where, as CIDR."
    )
    expected_bytes = serializers.IntegerField(
        min_value=1, max_value=LARGEST, default=None, allow_null=True, help_text="What will be sent; room is checked."
    )


class LinkSerializer(serializers.ModelSerializer):
    """A transfer link, without its secret."""

    url = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.display_name", read_only=True)
    rights = serializers.ListField(child=serializers.CharField(), read_only=True)
    networks = serializers.ListField(child=serializers.CharField(), read_only=True)
    ssh = serializers.SerializerMethodField(help_text="`user@host:port` for rsync and SFTP; null without an SSH door.")

    class Meta:
        model = TransferLink
        fields = (
            "id", "url", "path", "is_file", "rights", "label", "created_by", "created_at", "expires_at", "revoked_at",
            "live", "networks", "max_bytes", "spent_bytes", "max_uses", "uses", "expected_bytes",
            "bytes_in", "bytes_out", "files_in", "files_out", "last_used_at", "ssh",
        )  # fmt: skip
        read_only_fields = fields

    def get_url(self, link: TransferLink) -> str:
        """Its address at the door."""
        return url_of(link)

    def get_ssh(self, link: TransferLink) -> str | None:
        """The same for every link: it is the key that says which link it opens."""
        return ssh_keys.address()


class CommandSerializer(serializers.Serializer):
    """What to type."""

    name = serializers.CharField()
    tool = serializers.CharField()
    title = serializers.CharField()
    text = serializers.CharField()


class NewLinkAnswerSerializer(serializers.Serializer):
    """A link just made. ``token`` is its secret; it is told this once."""

    link = LinkSerializer()
    url = serializers.URLField()
    token = serializers.CharField()
    commands = CommandSerializer(many=True)


class NewKeySerializer(Body):
    """A key for a link; without ``public_key`` a new one is made."""

    public_key = serializers.CharField(
        max_length=8192, default="", allow_blank=True, help_text="As in `~/.ssh/id_ed25519.pub`; empty for a new key."
    )


class NewKeyAnswerSerializer(serializers.Serializer):
    """A key just certified. ``private_key`` is told this once, and is empty for a key that the person has."""

    link = LinkSerializer()
    host = serializers.CharField()
    port = serializers.IntegerField()
    user = serializers.CharField()
    private_key = serializers.CharField(source="key.private_key", allow_blank=True)
    certificate = serializers.CharField(source="key.certificate")
    expires_at = serializers.DateTimeField(source="key.expires_at")
    known_hosts = serializers.CharField(help_text="The line by which clients know the door.")
    commands = CommandSerializer(many=True)


class LinkAccessSerializer(serializers.ModelSerializer):
    """One thing that was done, or refused, by a link."""

    class Meta:
        model = LinkAccess
        fields = ("id", "at", "address", "operation", "path", "size", "outcome")
        read_only_fields = fields


class UsageSerializer(serializers.Serializer):
    """Room of a project; `level` is `warning` from 80 % on and `critical` from 95 % on."""

    used_bytes = serializers.IntegerField()
    used_files = serializers.IntegerField()
    reserved_bytes = serializers.IntegerField(help_text="Kept for open uploads.")
    reserved_files = serializers.IntegerField()
    quota_bytes = serializers.IntegerField(allow_null=True)
    quota_files = serializers.IntegerField(allow_null=True)
    left_bytes = serializers.IntegerField(allow_null=True)
    left_files = serializers.IntegerField(allow_null=True)
    percent = serializers.FloatField(allow_null=True, help_text="Of the fuller of the two quotas.")
    level = serializers.ChoiceField(choices=["ok", "warning", "critical"])
    days_left = serializers.FloatField(
        allow_null=True, help_text="Until it is full, at the rate of the last two weeks."
    )
    measured_at = serializers.DateTimeField(allow_null=True)


class DetailsSerializer(EntrySerializer):
    """What is known of a file; `sha256` is empty where it is not known of the file as it is now."""

    sha256 = serializers.CharField(allow_blank=True)
    checked_at = serializers.DateTimeField(allow_null=True)
    source = serializers.CharField(allow_blank=True, help_text="`upload`: computed on the way in; `reading`: later.")  # type: ignore[assignment]
    parts = serializers.ListField(
        child=serializers.ListField(), help_text="[start, length, SHA-256] of each parallel part."
    )
    dataset = serializers.CharField(allow_blank=True, help_text="The dataset that it is in.")
    job_number = serializers.IntegerField(allow_null=True, help_text="The job that made it.")


class WhereSerializer(Body):
    """A file or folder; empty is the whole project."""

    path = serializers.CharField(max_length=PATH_LENGTH, default="", allow_blank=True, trim_whitespace=False)


class CheckSerializer(serializers.ModelSerializer):
    """Files being read again; `problems` (the first 100) say what is damaged, changed or missing."""

    asked_by = serializers.CharField(source="asked_by.display_name", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Check
        fields = (
            "id", "path", "state", "files", "size", "done_files", "done_size", "problem_count", "problems", "problem",
            "asked_by", "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(many=False)
class ChecksSerializer(serializers.Serializer):
    """The newest checks."""

    results = CheckSerializer(many=True)


class DatasetSerializer(serializers.ModelSerializer):
    """A folder that was marked complete; `sealed_at` is null while its manifest is being made."""

    marked_by = serializers.CharField(source="marked_by.display_name", read_only=True, allow_null=True, default=None)
    marked_at = serializers.DateTimeField(source="created_at", read_only=True)
    unlocked_by = serializers.CharField(
        source="unlocked_by.display_name", read_only=True, allow_null=True, default=None
    )
    check = serializers.UUIDField(source="check_run_id", read_only=True, allow_null=True)

    class Meta:
        model = Dataset
        fields = (
            "id", "path", "marked_by", "marked_at", "files", "size", "sealed_at", "check", "unlocked_by",
            "unlocked_at", "reason",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(many=False)
class DatasetsSerializer(serializers.Serializer):
    """The project's datasets."""

    results = DatasetSerializer(many=True)


class UnlockSerializer(Body):
    """Why a dataset is unlocked."""

    reason = serializers.CharField(max_length=500)
