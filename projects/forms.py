"""What people type about a project and its members."""

from datetime import UTC, datetime, time

from django import forms

from projects.roles import Role


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
