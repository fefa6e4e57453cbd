"""What people type about a new project and its folder."""

import json
from pathlib import PurePosixPath
from typing import Any

from django import forms

from accounts.models import User
from projects.models import Project
from storage.imports.entry import Entry
from storage.links.rights import Right
from storage.models import Conflict, ImportKind, SiteKind


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


GIGABYTE = 1000**3


class LinkForm(forms.Form):
    """A transfer link to make."""

    path = forms.CharField(max_length=2000, required=False, strip=False)
    rights = forms.MultipleChoiceField(choices=Right.choices, error_messages={"required": "Tick at least one."})
    days = forms.TypedChoiceField(
        coerce=int, initial=7, choices=[(1, "1 day"), (3, "3 days"), (7, "1 week"), (14, "2 weeks"), (30, "30 days")]
    )
    label = forms.CharField(max_length=100, required=False)
    networks = forms.CharField(max_length=500, required=False)
    max_uses = forms.IntegerField(min_value=1, max_value=10**9, required=False)
    max_gigabytes = forms.FloatField(min_value=0.001, max_value=1e9, required=False)
    expected_gigabytes = forms.FloatField(min_value=0.001, max_value=1e9, required=False)

    def words(self) -> dict[str, Any]:
        """What ``storage.services.links.create_link`` is asked for."""
        given = self.cleaned_data
        return {
            "path": given["path"],
            "rights": given["rights"],
            "expires_in": given["days"] * 86400,
            "label": given["label"],
            "networks": given["networks"].replace(",", " ").split(),
            "max_uses": given["max_uses"],
            "max_bytes": _bytes(given["max_gigabytes"]),
            "expected_bytes": _bytes(given["expected_gigabytes"]),
        }


class ImportForm(forms.Form):
    """Where files are to be brought from, and to."""

    kind = forms.ChoiceField(choices=ImportKind.choices, initial=ImportKind.WEBDAV)
    addresses = forms.CharField(max_length=1_000_000, error_messages={"required": "Give the address."})
    user = forms.CharField(max_length=200, required=False)
    password = forms.CharField(max_length=4000, required=False, strip=False)
    region = forms.CharField(max_length=60, required=False)
    target = forms.CharField(max_length=2000, required=False, strip=False)
    conflict = forms.ChoiceField(choices=Conflict.choices, initial=Conflict.SKIP)

    def entry(self) -> Entry:
        """What lets the import in."""
        given = self.cleaned_data
        words = {name: given[name] for name in ("user", "password", "region")}
        return Entry(addresses=given["addresses"].split(), **words)


class AgainForm(forms.Form):
    """What was forgotten when an import stopped."""

    addresses = forms.CharField(max_length=1_000_000, required=False)
    user = forms.CharField(max_length=200, required=False)
    password = forms.CharField(max_length=4000, required=False, strip=False)

    def entry(self) -> Entry:
        """What lets the import in."""
        given = self.cleaned_data
        return Entry(addresses=given["addresses"].split(), user=given["user"], password=given["password"])


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else max(1, round(gigabytes * GIGABYTE))


class RemoteLinkForm(forms.Form):
    """A credential of a remote site to get."""

    path = forms.CharField(max_length=2000, required=False, strip=False)
    rights = forms.MultipleChoiceField(choices=Right.choices, error_messages={"required": "Tick at least one."})
    hours = forms.IntegerField(min_value=1, max_value=168, initial=1)
    label = forms.CharField(max_length=100, required=False)

    def words(self) -> dict[str, Any]:
        """What ``storage.services.remote.create_link`` is asked for."""
        given = self.cleaned_data
        asked = {name: given[name] for name in ("path", "rights", "label")}
        return asked | {"expires_in": given["hours"] * 3600}

    def add_error(self, field: str | None, error: Any) -> None:
        """The service's word for the end is this form's ``hours``."""
        super().add_error("hours" if field == "expires_in" else field, error)


class StorageSiteForm(forms.Form):
    """A storage site with a door of its own."""

    name = forms.SlugField(max_length=60)
    kind = forms.ChoiceField(choices=SiteKind.choices)
    base_url = forms.CharField(max_length=500)
    prefix = forms.CharField(max_length=500, required=False)  # type: ignore[assignment]
    settings = forms.CharField(max_length=10_000, required=False)
    offered = forms.BooleanField(required=False)

    def clean_settings(self) -> dict[str, str]:
        """The settings as an object of texts."""
        try:
            found = json.loads(self.cleaned_data["settings"] or "{}")
        except ValueError as wrong:
            raise forms.ValidationError(f"This is no JSON: {wrong}.") from wrong
        if not isinstance(found, dict):
            raise forms.ValidationError("This must be an object: {…}.")
        return found

    def words(self) -> dict[str, Any]:
        """What ``storage.services.sites.save_site`` is given."""
        return {name: self.cleaned_data[name] for name in ("kind", "base_url", "prefix", "settings", "offered")}


def crumbs(path: str) -> list[tuple[str, str]]:
    """(name, path) of every folder on the way to ``path``."""
    parts = PurePosixPath(path).parts
    return [(part, "/".join(parts[: at + 1])) for at, part in enumerate(parts)]
