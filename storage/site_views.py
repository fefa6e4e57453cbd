"""Operators' pages about storage sites."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.operators import for_operators
from accounts.requests import PersonRequest
from common.errors import PortolanError
from storage.forms import StorageSiteForm
from storage.models import SiteKind, StorageSite
from storage.services import sites

KINDS = [(value, words) for value, words in SiteKind.choices if value != SiteKind.POSIX]


@for_operators
def stores(request: PersonRequest) -> HttpResponse:
    """All storage sites, and the form for another; a POST adds it."""
    form = StorageSiteForm(request.POST or None, initial={"kind": SiteKind.WEBDAV, "settings": "{}"})
    if request.method == "POST" and form.is_valid() and _saved(request, form, form.cleaned_data["name"], new=True):
        messages.success(request, "The site is added. Probe it: before that it is not used.")
        return redirect("storage:store", form.cleaned_data["name"])
    context = {"section": "operator", "sites": sites.sites(request.user), "form": form, "kinds": KINDS, "new": True}
    return render(request, "storage/stores.html", context, status=400 if form.errors else 200)


@for_operators
def store(request: PersonRequest, store: str) -> HttpResponse:
    """One storage site with what its probe found; a POST changes it."""
    found = sites.site(request.user, store)
    form = StorageSiteForm(request.POST or None, initial=_initial(found))
    form.fields["name"].required = False
    if request.method == "POST" and form.is_valid() and _saved(request, form, store, new=False):
        messages.success(request, f"{store} is changed.")
        return redirect("storage:store", store)
    context = {"section": "operator", "site": found, "form": form, "kinds": KINDS}
    return render(request, "storage/store.html", context, status=400 if form.errors else 200)


@for_operators
@require_POST
def probe(request: PersonRequest, store: str) -> HttpResponse:
    """A worker probes the site."""
    sites.start_probe(request.user, store)
    messages.success(request, "The site is being probed. Look again in a moment.")
    return redirect("storage:store", store)


def _initial(site: StorageSite) -> dict[str, Any]:
    shown = {name: getattr(site, name) for name in ("name", "kind", "base_url", "prefix", "offered")}
    return shown | {"settings": json.dumps(site.settings, indent=2)}


def _saved(request: PersonRequest, form: StorageSiteForm, name: str, *, new: bool) -> bool:
    try:
        sites.save_site(request.user, name, form.words(), new=new)
    except PortolanError as error:
        form.add_error(error.field if error.field in form.fields else None, f"{error.message} {error.hint}".strip())
        return False
    return True
