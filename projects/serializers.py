"""What the API says about a project's people and trail, and how it reads what is sent."""

from rest_framework import serializers

from accounts.models import Group, Seat
from accounts.serializers import Body, PersonSerializer
from projects.models import AccessRequest, AuditEvent, GroupGrant, Invitation
from projects.roles import Role
from projects.services.groups import NAME_LENGTH as GROUP_NAME_LENGTH
from projects.services.invitations import DAYS, LONGEST_DAYS
from projects.services.rules import PURPOSE_LENGTH
from projects.trail import FORMS


class GroupSerializer(serializers.ModelSerializer):
    """A group of an AAI, or one that is kept here."""

    name = serializers.CharField(source="display_name", read_only=True)
    urn = serializers.CharField(read_only=True, help_text="What the AAI calls it; empty for a group kept here.")
    local = serializers.BooleanField(read_only=True)

    class Meta:
        model = Group
        fields = ("id", "name", "urn", "issuer", "local", "description")
        read_only_fields = fields


class ReasonSerializer(serializers.Serializer):
    """One reason why somebody is in a project."""

    by = serializers.ChoiceField(choices=[("member", "their own role"), ("group", "a group's grant")], read_only=True)
    role = serializers.ChoiceField(choices=Role.choices, read_only=True)
    until = serializers.DateTimeField(read_only=True, allow_null=True)
    purpose = serializers.CharField(read_only=True)
    in_force = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    granted_by = PersonSerializer(read_only=True, allow_null=True)
    grant = serializers.UUIDField(source="grant.pk", read_only=True, allow_null=True, default=None)
    group = serializers.CharField(source="grant.who", read_only=True, allow_null=True, default=None)


class MemberSerializer(serializers.Serializer):
    """A person's role in a project, and why; ``role``, ``until`` and so on are those of the strongest reason."""

    user = PersonSerializer(read_only=True)
    role = serializers.ChoiceField(choices=Role.choices, source="reason.role", read_only=True)
    until = serializers.DateTimeField(source="reason.until", read_only=True, allow_null=True)
    in_force = serializers.BooleanField(source="reason.in_force", read_only=True)
    created_at = serializers.DateTimeField(source="reason.created_at", read_only=True)
    granted_by = PersonSerializer(source="reason.granted_by", read_only=True, allow_null=True)
    why = ReasonSerializer(many=True, read_only=True)


class MemberChangeSerializer(Body):
    """The role that a member is to have."""

    role = serializers.ChoiceField(choices=Role.choices)
    until = serializers.DateTimeField(default=None, allow_null=True, help_text="When the role ends; null: never.")
    purpose = serializers.CharField(max_length=PURPOSE_LENGTH, required=False, allow_blank=True)


class NewMemberSerializer(MemberChangeSerializer):
    """A person to add."""

    username = serializers.CharField(max_length=150)


class GrantSerializer(serializers.ModelSerializer):
    """A role for a group; ``people`` is how many persons get it now."""

    group = GroupSerializer(read_only=True)
    granted_by = PersonSerializer(read_only=True, allow_null=True)
    in_force = serializers.BooleanField(read_only=True)
    people = serializers.IntegerField(read_only=True)

    class Meta:
        model = GroupGrant
        fields = (
            "id",
            "group",
            "with_subgroups",
            "aai_role",
            "role",
            "purpose",
            "until",
            "in_force",
            "people",
            "created_at",
            "granted_by",
        )
        read_only_fields = fields


class GrantChangeSerializer(Body):
    """What a grant is to give."""

    role = serializers.ChoiceField(choices=Role.choices, help_text="Not owner: owners are people.")
    purpose = serializers.CharField(max_length=PURPOSE_LENGTH)
    until = serializers.DateTimeField(default=None, allow_null=True, help_text="When the role ends; null: never.")


class NewGrantSerializer(GrantChangeSerializer):
    """A group to give a role: by its ``group`` id, or by an ``entitlement`` as the AAI writes it."""

    group = serializers.UUIDField(default=None, allow_null=True, help_text="One of GET /groups/.")
    entitlement = serializers.CharField(default="", allow_blank=True, max_length=1024)
    issuer = serializers.CharField(
        default="", allow_blank=True, max_length=300, help_text="Needed only where several logins tell such groups."
    )
    with_subgroups = serializers.BooleanField(default=False)
    aai_role = serializers.CharField(
        default="", allow_blank=True, max_length=300, help_text="Only who holds this role of the AAI in the group."
    )


class GrantPreviewSerializer(serializers.Serializer):
    """What a grant would do now."""

    sentence = serializers.CharField(read_only=True)
    who = serializers.CharField(read_only=True)
    urn = serializers.CharField(read_only=True)
    role = serializers.ChoiceField(choices=Role.choices, read_only=True)
    purpose = serializers.CharField(read_only=True)
    until = serializers.DateTimeField(read_only=True, allow_null=True)
    people = serializers.IntegerField(read_only=True)
    gaining = serializers.IntegerField(read_only=True, help_text="How many of them have less now.")
    names = serializers.ListField(child=serializers.CharField(), read_only=True)
    may = serializers.ListField(child=serializers.CharField(), read_only=True)
    may_not = serializers.ListField(child=serializers.CharField(), read_only=True)


class InvitationSerializer(serializers.ModelSerializer):
    """An invitation without its link."""

    state = serializers.ChoiceField(choices=["open", "used", "revoked", "ended"], read_only=True)
    invited_by = PersonSerializer(read_only=True)
    used_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Invitation
        fields = (
            "id",
            "email",
            "role",
            "purpose",
            "until",
            "state",
            "created_at",
            "expires_at",
            "invited_by",
            "used_at",
            "used_by",
        )
        read_only_fields = fields


class MadeInvitationSerializer(serializers.Serializer):
    """An invitation just made; ``link`` is told this once."""

    invitation = InvitationSerializer(read_only=True)
    link = serializers.CharField(read_only=True)
    mailed = serializers.BooleanField(read_only=True, help_text="False where no mail could be sent.")


class NewInvitationSerializer(MemberChangeSerializer):
    """Somebody to invite."""

    email = serializers.EmailField()
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, default=DAYS, help_text="How long it lasts.")


class AcceptSerializer(Body):
    """The code of an invitation's link."""

    code = serializers.CharField(max_length=200, help_text="What stands in the link behind `code=`.")


class AcceptedSerializer(serializers.Serializer):
    """What one is in now."""

    project = serializers.UUIDField(source="project_id", read_only=True)
    role = serializers.ChoiceField(choices=Role.choices, read_only=True)
    until = serializers.DateTimeField(read_only=True, allow_null=True)


class OwnRequestSerializer(serializers.ModelSerializer):
    """What one has asked for."""

    project = serializers.UUIDField(source="project_id", read_only=True)

    class Meta:
        model = AccessRequest
        fields = ("id", "project", "purpose", "state", "answer", "created_at", "decided_at")
        read_only_fields = fields


class AccessRequestSerializer(serializers.ModelSerializer):
    """What somebody asked of a project."""

    user = PersonSerializer(read_only=True)
    decided_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = AccessRequest
        fields = ("id", "user", "purpose", "state", "answer", "created_at", "decided_at", "decided_by")
        read_only_fields = fields


class NewRequestSerializer(Body):
    """A project to ask for."""

    project = serializers.UUIDField()
    purpose = serializers.CharField(max_length=PURPOSE_LENGTH)


class ApproveSerializer(Body):
    """With which role somebody is let in."""

    role = serializers.ChoiceField(choices=Role.choices)
    until = serializers.DateTimeField(default=None, allow_null=True, help_text="When the role ends; null: never.")


class DeclineSerializer(Body):
    """A word to who asked."""

    answer = serializers.CharField(default="", allow_blank=True, max_length=PURPOSE_LENGTH)


class NewGroupSerializer(Body):
    """A group to keep here."""

    name = serializers.CharField(max_length=GROUP_NAME_LENGTH)
    description = serializers.CharField(default="", allow_blank=True, max_length=PURPOSE_LENGTH)


class SeatSerializer(serializers.ModelSerializer):
    """Somebody in a group."""

    user = PersonSerializer(read_only=True)

    class Meta:
        model = Seat
        fields = ("user", "role", "direct", "keeper", "created_at", "seen_at")
        read_only_fields = fields


class NewSeatSerializer(Body):
    """A person to put into a group."""

    username = serializers.CharField(max_length=150)
    keeper = serializers.BooleanField(default=False, help_text="May change who is in the group.")


class AuditEventSerializer(serializers.ModelSerializer):
    """One change of people or of state."""

    id = serializers.UUIDField(source="uid", read_only=True)
    actor = serializers.CharField(source="actor_name", read_only=True)
    details = serializers.DictField(read_only=True)

    class Meta:
        model = AuditEvent
        fields = ("id", "sequence", "at", "actor", "action", "subject", "details", "digest")
        read_only_fields = fields


def _words(longest: int, told: str) -> serializers.CharField:
    return serializers.CharField(default="", allow_blank=True, max_length=longest, help_text=told)


class TrailQuerySerializer(serializers.Serializer):
    """Which events of a trail are asked for; what is left out does not narrow."""

    person = _words(150, "Part of the name of who did it.")
    action = _words(60, "“member.added”, or all of “member”.")
    since = serializers.DateTimeField(default=None, help_text="From this moment on.")
    until = serializers.DateTimeField(default=None, help_text="Before this moment.")
    text = _words(300, "Part of whom or what, or of the details.")


class TrailFileQuerySerializer(TrailQuerySerializer):
    """The same, as a file."""

    form = serializers.ChoiceField(default="jsonl", choices=list(FORMS))
