"""What the API says about people and tokens, and how it reads what is sent."""

from typing import Any

from rest_framework import serializers

from accounts.models import ApiToken, User
from accounts.scopes import Scope
from accounts.services import LABEL_LENGTH, LONGEST_DAYS


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


class MeSerializer(serializers.ModelSerializer):
    """Who asks, and with what."""

    name = serializers.CharField(source="display_name", read_only=True)
    operator = serializers.BooleanField(source="is_staff", read_only=True)
    token = TokenSerializer(read_only=True, allow_null=True)

    class Meta:
        model = User
        fields = ("id", "username", "name", "email", "operator", "token")
        read_only_fields = fields
