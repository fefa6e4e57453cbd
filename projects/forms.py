"""What people type about a project and its members."""

from datetime import UTC, datetime, time, timedelta

from django import forms

from projects.roles import Role
from projects.trail import Asked


class ProjectForm(forms.Form):
    """Name and purpose of a project."""

    name = forms.CharField(max_length=120, error_messages={"required": "Give the project a name."})
    description = forms.CharField(max_length=4000, required=False)


class RoleForm(forms.Form):
    """A role and, where wanted, its last day."""

    role = forms.ChoiceField(choices=Role.choices, initial=Role.CONTRIBUTOR)
    until = forms.DateField(required=False, error_messages={"invalid": "Write the day as 2027-01-31."})

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
