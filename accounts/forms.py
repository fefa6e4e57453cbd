"""What people type about their account."""

from collections.abc import Iterable
from typing import Any

from django import forms

from accounts.scopes import Scope

ALL, SOME = "all", "some"


class TokenForm(forms.Form):
    """A new personal token; ``projects`` are those that it may be kept to, as rows with a key and a name."""

    label = forms.CharField(max_length=100, error_messages={"required": "Say what the token is for."})
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=[Scope.READ], error_messages={"required": "Choose at least one thing."}
    )
    where = forms.ChoiceField(choices=[(ALL, "All my projects"), (SOME, "Only these")], initial=ALL, required=False)
    projects = forms.MultipleChoiceField(
        required=False, error_messages={"invalid_choice": "One of these is no project of yours any more."}
    )
    days = forms.TypedChoiceField(
        coerce=int, initial=90, choices=[(7, "a week"), (30, "30 days"), (90, "90 days"), (365, "a year")]
    )

    def __init__(self, *args: Any, projects: Iterable[Any] = (), **words: Any) -> None:
        super().__init__(*args, **words)
        self.fields["projects"].choices = [(str(one.pk), one.name) for one in projects]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """A token for some projects names one at least."""
        found = super().clean() or {}
        if found.get("where") == SOME and not found.get("projects") and "projects" not in self.errors:
            self.add_error("projects", "Choose at least one project, or all.")
        return found

    def wanted(self) -> dict[str, Any]:
        """The words of ``services.make_token``."""
        kept = self.cleaned_data["projects"] if self.cleaned_data["where"] == SOME else []
        return {name: self.cleaned_data[name] for name in ("label", "scopes", "days")} | {"projects": kept}
