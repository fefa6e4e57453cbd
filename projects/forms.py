"""What people type about a project and who may do what in it."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms

from accounts.models import Group
from common.errors import PortolanError
from projects.roles import Role
from projects.services import Wish
from projects.trail import Asked

OF_GROUPS = [choice for choice in Role.choices if choice[0] != Role.OWNER]


class ProjectForm(forms.Form):
    """Name and purpose of a project."""

    name = forms.CharField(max_length=120, error_messages={"required": "Give the project a name."})
    description = forms.CharField(max_length=4000, required=False)


class TellingForm(forms.Form):
    """A form that says what a service refused beside the field it is about."""

    def refuse(self, error: PortolanError) -> None:
        """The error is told at its field, or above the form."""
        self.add_error(error.field if error.field in self.fields else None, f"{error.message} {error.hint}".strip())


class RoleForm(TellingForm):
    """A role and, where wanted, its last day and what it is for."""

    role = forms.ChoiceField(choices=Role.choices, initial=Role.CONTRIBUTOR)
    until = forms.DateField(required=False, error_messages={"invalid": "Write the day as 2027-01-31."})
    purpose = forms.CharField(max_length=300, required=False)

    def clean_until(self) -> datetime | None:
        """The end of that day in UTC."""
        day = self.cleaned_data["until"]
        return datetime.combine(day, time(23, 59, 59), tzinfo=UTC) if day else None


class MemberForm(RoleForm):
    """A person to add."""

    username = forms.CharField(max_length=150, error_messages={"required": "Write the person's user name."})


class TrailForm(forms.Form):
    """Which events of a trail are to be shown. A value that can't be read narrows nothing, and is told beside it."""

    person = forms.CharField(required=False, max_length=150)
    action = forms.CharField(required=False, max_length=60)
    since = forms.DateField(required=False, error_messages={"invalid": "Write the day as 2027-01-31."})
    until = forms.DateField(required=False, error_messages={"invalid": "Write the day as 2027-01-31."})
    text = forms.CharField(required=False, max_length=300)

    def asked(self) -> Asked:
        """What of it can be read; both days are included, in UTC."""
        self.is_valid()
        words = self.cleaned_data
        since, until = words.get("since"), words.get("until")
        return Asked(
            person=words.get("person", ""),
            action=words.get("action", ""),
            since=datetime.combine(since, time(), tzinfo=UTC) if since else None,
            until=datetime.combine(until, time(), tzinfo=UTC) + timedelta(days=1) if until else None,
            text=words.get("text", ""),
        )


class GrantChangeForm(RoleForm):
    """What a group is to get."""

    role = forms.ChoiceField(choices=OF_GROUPS, initial=Role.CONTRIBUTOR)
    purpose = forms.CharField(max_length=300, error_messages={"required": "Say what the access is for."})


class GrantForm(GrantChangeForm):
    """A group to give a role: chosen among those that one is in, or pasted."""

    group = forms.ChoiceField(required=False)
    entitlement = forms.CharField(max_length=1024, required=False)
    with_subgroups = forms.BooleanField(required=False)
    aai_role = forms.CharField(max_length=300, required=False)

    def __init__(self, data: Any, groups: Iterable[Group]) -> None:
        super().__init__(data)
        choices = [(str(group.pk), group.display_name) for group in groups]
        self.fields["group"].choices = [*choices, ("", "Another one")]  # type: ignore[attr-defined]

    def wish(self) -> Wish:
        """What is asked for; the form is valid."""
        given = self.cleaned_data
        chosen = UUID(given["group"]) if given["group"] else None
        # What was pasted and then not chosen is no part of it.
        return Wish(**{**given, "group": chosen, "entitlement": "" if chosen else given["entitlement"]})


class InviteForm(RoleForm):
    """Somebody to invite by mail."""

    email = forms.CharField(max_length=254, error_messages={"required": "Write an e-mail address."})


class AccessForm(TellingForm):
    """Why somebody wants to be let in."""

    purpose = forms.CharField(max_length=300, error_messages={"required": "Say what you want the access for."})


class GroupForm(TellingForm):
    """A group that is kept here."""

    name = forms.CharField(max_length=120, error_messages={"required": "Give the group a name."})
    description = forms.CharField(max_length=300, required=False)


class SeatForm(TellingForm):
    """A person for a group."""

    username = forms.CharField(max_length=150, error_messages={"required": "Write the person's user name."})
    keeper = forms.BooleanField(required=False)
