"""What the API says about people and tokens, and how it reads what is sent."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.credentials import AccessToken
from accounts.models import ApiToken, ExternalIdentity, Group, User
from accounts.scopes import Scope
from accounts.services import LABEL_LENGTH, LONGEST_DAYS

GROUPS_TOLD = 500


class Body(serializers.Serializer):
    """A request's body. A field that it does not know is refused, so that a typing error is not taken for a default."""

    def to_internal_value(self, data: Any) -> Any:
        """The values that were sent; ValidationError names each unknown field."""
        if isinstance(data, dict):
            known = set(self.fields)
            unknown = {str(name): ["There is no such field."] for name in data if name not in known}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class PersonSerializer(serializers.ModelSerializer):
    """A person, as others see them."""

    name = serializers.CharField(source="display_name", read_only=True)

    class Meta:
        model = User
        fields = ("id", "username", "name")


class TokenSerializer(serializers.ModelSerializer):
    """A token without its secret."""

    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    project_ids = serializers.ListField(child=serializers.UUIDField())
    usable = serializers.BooleanField(read_only=True)

    class Meta:
        model = ApiToken
        fields = (
            "id",
            "label",
            "prefix",
            "scopes",
            "project_ids",
            "usable",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "last_used_from",
        )
        read_only_fields = fields


class MadeTokenSerializer(TokenSerializer):
    """A token just made; ``secret`` is told this once."""

    secret = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "secret")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]


class NewTokenSerializer(Body):
    """A token to make."""

    label = serializers.CharField(max_length=LABEL_LENGTH)  # type: ignore[assignment]
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), allow_empty=False, max_length=len(Scope)
    )
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, default=90)
    projects = serializers.ListField(
        child=serializers.UUIDField(), default=list, max_length=100, help_text="Only in these projects; empty: in all."
    )


class RevokedSerializer(serializers.Serializer):
    """How many tokens ended."""

    revoked = serializers.IntegerField()


class AccessTokenSerializer(serializers.Serializer):
    """An institute's access token in use."""

    issuer = serializers.CharField()
    subject = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    expires_at = serializers.DateTimeField()


class IdentitySerializer(serializers.ModelSerializer):
    """An institute's login of the person."""

    class Meta:
        model = ExternalIdentity
        fields = ("issuer", "subject")


class OwnGroupSerializer(serializers.ModelSerializer):
    """A group that the person is in."""

    name = serializers.CharField(source="display_name", read_only=True)
    urn = serializers.CharField(read_only=True, help_text="As the institutes write it; empty for a group kept here.")

    class Meta:
        model = Group
        fields = ("id", "name", "urn")


class MeSerializer(serializers.ModelSerializer):
    """Who asks, and with what. Identities and groups are told to what may read everything of the person."""

    name = serializers.CharField(source="display_name", read_only=True)
    operator = serializers.BooleanField(source="is_staff", read_only=True)
    token = serializers.SerializerMethodField(help_text="The personal token in use.")
    access_token = serializers.SerializerMethodField(help_text="The institute's access token in use.")
    identities = serializers.SerializerMethodField()
    groups = serializers.SerializerMethodField(help_text=f"At most {GROUPS_TOLD}.")

    class Meta:
        model = User
        fields = (
            "id",
            "username",
            "name",
            "email",
            "operator",
            "token",
            "access_token",
            "identities",
            "groups",
        )
        read_only_fields = fields

    @extend_schema_field(TokenSerializer(allow_null=True))
    def get_token(self, user: User) -> dict[str, Any] | None:
        """The personal token in use."""
        return TokenSerializer(user.token).data if isinstance(user.token, ApiToken) else None

    @extend_schema_field(AccessTokenSerializer(allow_null=True))
    def get_access_token(self, user: User) -> dict[str, Any] | None:
        """The institute's access token in use."""
        return AccessTokenSerializer(user.token).data if isinstance(user.token, AccessToken) else None

    @extend_schema_field(IdentitySerializer(many=True))
    def get_identities(self, user: User) -> list[Any]:
        """The institutes' logins of the person."""
        return list(IdentitySerializer(user.identities.order_by("issuer"), many=True).data) if _all(user) else []

    @extend_schema_field(OwnGroupSerializer(many=True))
    def get_groups(self, user: User) -> list[Any]:
        """The groups that the person is in now."""
        found = Group.objects.of(user).order_by("path", "id")[:GROUPS_TOLD] if _all(user) else []
        return list(OwnGroupSerializer(found, many=True).data)


def _all(user: User) -> bool:
    return user.allows_scope(Scope.READ) and not (user.token and user.token.project_ids)
