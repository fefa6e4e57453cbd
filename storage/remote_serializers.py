"""What the API says about storage sites and remote folders, and how it reads what is sent."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from accounts.serializers import Body
from storage.links.rights import Right
from storage.models import RemoteFolder, RemoteLink, SiteKind, StorageSite
from storage.serializers import PATH_LENGTH, CommandSerializer

MANY = 1000


class FoundSerializer(serializers.Serializer):
    """One thing that a probe tried."""

    ok = serializers.BooleanField()
    title = serializers.CharField()
    words = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)


class ProbeSerializer(serializers.Serializer):
    """What the last probe found; without `ok` the site is not used. `limits` are what it can't confine."""

    running = serializers.BooleanField(default=False)
    ok = serializers.BooleanField(default=False)
    limits = serializers.ListField(child=serializers.CharField(), default=list)
    checks = FoundSerializer(many=True, default=list)


class StorageSiteSerializer(serializers.ModelSerializer):
    """A storage site. Its secrets are files that are named here, never what is in them."""

    probe = ProbeSerializer()
    attached = serializers.IntegerField(help_text="Remote folders of projects on it.")
    settings = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = StorageSite
        fields = (
            "name", "kind", "base_url", "prefix", "settings", "offered", "attached", "probe", "probed_at"
        )  # fmt: skip
        read_only_fields = fields


class ChangeStorageSiteSerializer(Body):
    """What is to change of a site; what is left out stays."""

    kind = serializers.ChoiceField(choices=SiteKind.choices, required=False)
    base_url = serializers.CharField(max_length=500, required=False, help_text="Scheme, host and port.")
    prefix = serializers.CharField(max_length=500, allow_blank=True, required=False)
    settings = serializers.DictField(child=serializers.CharField(max_length=1000), required=False)
    offered = serializers.BooleanField(required=False, help_text="Owners may attach it to their projects.")


class NewStorageSiteSerializer(ChangeStorageSiteSerializer):
    """A site to add."""

    name = serializers.SlugField(max_length=60)
    kind = serializers.ChoiceField(choices=SiteKind.choices)
    base_url = serializers.CharField(max_length=500, help_text="Scheme, host and port.")


class RemoteFolderSerializer(serializers.ModelSerializer):
    """A project's folder at a site with a door of its own."""

    site = serializers.CharField(source="site.name", read_only=True)
    kind = serializers.ChoiceField(choices=SiteKind.choices, source="site.kind", read_only=True)
    attached_by = serializers.CharField(source="attached_by.display_name", read_only=True, allow_null=True)

    class Meta:
        model = RemoteFolder
        fields = ("id", "label", "site", "kind", "attached_by", "created_at")
        read_only_fields = fields


class NewRemoteFolderSerializer(Body):
    """A remote folder to attach."""

    site = serializers.CharField(max_length=60, help_text="A storage site's name; the operator says which there are.")
    label = serializers.CharField(max_length=100, default="", allow_blank=True)  # type: ignore[assignment]


@extend_schema_serializer(many=False)
class RemoteFoldersSerializer(serializers.Serializer):
    """The project's remote folders."""

    results = RemoteFolderSerializer(many=True)


class SiteEntrySerializer(serializers.Serializer):
    """One name at a site."""

    name = serializers.CharField()
    path = serializers.CharField()
    kind = serializers.ChoiceField(choices=["file", "folder"])
    size = serializers.IntegerField()
    modified = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(many=False)
class RemotePageSerializer(serializers.Serializer):
    """A page of a remote folder; `next_cursor` is empty on the last."""

    results = SiteEntrySerializer(many=True, source="entries")
    next_cursor = serializers.CharField(allow_blank=True)


class RemoteFilesQuerySerializer(serializers.Serializer):
    """Which page of which folder."""

    path = serializers.CharField(max_length=PATH_LENGTH, default="", allow_blank=True, trim_whitespace=False)
    cursor = serializers.CharField(max_length=2000, default="", allow_blank=True)
    page_size = serializers.IntegerField(min_value=1, max_value=MANY, default=100)


class RemoteLinkSerializer(serializers.ModelSerializer):
    """A credential that a member was given, without its secret. It can't be taken back before its end."""

    folder = serializers.CharField(source="folder.label", read_only=True)
    site = serializers.CharField(source="folder.site.name", read_only=True)
    created_by = serializers.CharField(source="created_by.display_name", read_only=True)
    rights = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = RemoteLink
        fields = (
            "id", "folder", "site", "path", "is_file", "rights", "label", "created_by", "created_at", "expires_at",
            "live",
        )  # fmt: skip
        read_only_fields = fields


class NewRemoteLinkSerializer(Body):
    """A credential to get from a site."""

    path = serializers.CharField(
        max_length=PATH_LENGTH, default="", allow_blank=True, trim_whitespace=False, help_text="Empty: all of it."
    )
    rights = serializers.ListField(
        child=serializers.ChoiceField(choices=Right.choices), allow_empty=False, max_length=5
    )
    expires_in = serializers.IntegerField(min_value=60, max_value=7 * 86400, default=3600, help_text="Seconds.")
    label = serializers.CharField(max_length=100, default="", allow_blank=True)  # type: ignore[assignment]


class AddressSerializer(serializers.Serializer):
    """A URL of the site itself; `method` is set where it is good for that one HTTP method only."""

    url = serializers.CharField()
    method = serializers.CharField(allow_blank=True)


class NewRemoteLinkAnswerSerializer(serializers.Serializer):
    """A credential just given; its secrets are told this once. `token` is empty where the addresses hold all."""

    link = RemoteLinkSerializer()
    addresses = AddressSerializer(many=True)
    token = serializers.CharField(allow_blank=True)
    commands = CommandSerializer(many=True)
