"""What the API says about a project's people and trail, and how it reads what is sent."""

from rest_framework import serializers

from accounts.serializers import Body, PersonSerializer
from projects.models import AuditEvent, Membership
from projects.roles import Role


class MemberSerializer(serializers.ModelSerializer):
    """A person's role in a project."""

    user = PersonSerializer(read_only=True)
    granted_by = PersonSerializer(read_only=True, allow_null=True)
    in_force = serializers.BooleanField(read_only=True)

    class Meta:
        model = Membership
        fields = ("user", "role", "until", "in_force", "created_at", "granted_by")
        read_only_fields = fields


class MemberChangeSerializer(Body):
    """The role that a member is to have."""

    role = serializers.ChoiceField(choices=Role.choices)
    until = serializers.DateTimeField(default=None, allow_null=True, help_text="When the role ends; null: never.")


class NewMemberSerializer(MemberChangeSerializer):
    """A person to add."""

    username = serializers.CharField(max_length=150)


class AuditEventSerializer(serializers.ModelSerializer):
    """One change of people or of state."""

    id = serializers.UUIDField(source="uid", read_only=True)
    actor = serializers.CharField(source="actor_name", read_only=True)
    details = serializers.DictField(read_only=True)

    class Meta:
        model = AuditEvent
        fields = ("id", "at", "actor", "action", "subject", "details")
        read_only_fields = fields
