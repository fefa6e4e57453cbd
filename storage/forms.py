"""What people type about a new project and its folder."""

from django import forms

from accounts.models import User
from projects.models import Project


class NewProjectForm(forms.Form):
    """A project's name, purpose, and what its folder starts with: nothing, the sample, or a copy of a project."""

    name = forms.CharField(max_length=120, error_messages={"required": "Give the project a name."})
    description = forms.CharField(max_length=4000, required=False)
    source = forms.ChoiceField(initial="empty", error_messages={"required": "Choose what the folder starts with."})

    def __init__(self, *args: object, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        mine = Project.objects.visible_to(user).values_list("pk", "name")[:200]
        self.copies = [(str(pk), name) for pk, name in mine]
        self.fields["source"].choices = [("empty", ""), ("sample", ""), *self.copies]  # type: ignore[attr-defined]
