"""Pages of a project's remote folders: seen in Files, opened by credentials of the sites themselves."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import PersonRequest
from common.errors import PortolanError
from projects.permissions import get_project, may
from projects.roles import Action
from storage.forms import RemoteLinkForm, crumbs
from storage.links.rights import WRITING, Right
from storage.services import remote
from storage.services.remote import NewRemoteLink

PAGE, SHOWN = 100, 50


@login_required
@require_GET
def folders(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The project's remote folders; an owner attaches and detaches them here."""
    project = get_project(request.user, Action.VIEW, project_id)
    owns = may(request.user, Action.OWN, project) and not project.archived
    context = {
        "project": project,
        "tab": "files",
        "folders": remote.folders_of(request.user, project_id),
        "owns": owns,
        "offered": remote.offered_sites(request.user, project_id) if owns else [],
        "hours": settings.REMOTE_LINK_HOURS,
    }
    return render(request, "storage/remote_folders.html", context)


@login_required
@require_POST
def attach(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The project has a folder at the chosen site."""
    made = remote.attach(
        request.user, project_id, site=request.POST.get("site", ""), label=request.POST.get("label", "")[:100]
    )
    messages.success(request, f"“{made.label}” at {made.site.name} is attached.")
    return redirect("storage:remote", project_id, made.pk)


@login_required
@require_POST
def detach(request: PersonRequest, project_id: UUID, remote_id: UUID) -> HttpResponse:
    """The project has this folder no more."""
    gone = remote.detach(request.user, project_id, remote_id)
    messages.success(request, f"“{gone.label}” is detached. What is in it stays at {gone.site.name}.")
    return redirect("storage:remotes", project_id)


@login_required
@never_cache
def browse(request: PersonRequest, project_id: UUID, remote_id: UUID) -> HttpResponse:
    """What is there, and the form for a credential; a POST gets one and shows it this once."""
    project = get_project(request.user, Action.VIEW, project_id)
    folder = remote.folder_of(request.user, project_id, remote_id)
    path = request.GET.get("path", "")
    form = RemoteLinkForm(request.POST or None, initial={"path": path, "rights": ["list", "read"], "hours": 1})
    made = _made(request, folder.pk, project_id, form) if request.method == "POST" and form.is_valid() else None
    if made is not None:
        context = {"project": project, "tab": "files", "folder": folder, "made": made}
        return render(request, "storage/remote_made.html", context)
    writes = may(request.user, Action.WRITE, project)
    context = {
        "project": project,
        "tab": "files",
        "folder": folder,
        "path": path,
        "crumbs": crumbs(path),
        "form": form,
        "rights": [(value, words, writes or Right(value) not in WRITING) for value, words in Right.choices],
        "links": remote.links_of(request.user, project_id).filter(folder=folder)[:SHOWN],
        "hours": settings.REMOTE_LINK_HOURS,
        **_page(request, project_id, remote_id, path),
    }
    return render(request, "storage/remote.html", context, status=400 if form.errors else 200)


def _page(request: PersonRequest, project_id: UUID, remote_id: UUID, path: str) -> dict[str, object]:
    """The listing, or why there is none: a site that is away must not take the page away."""
    cursor = request.GET.get("cursor", "")
    try:
        return {"page": remote.list_remote(request.user, project_id, remote_id, path=path, cursor=cursor, limit=PAGE)}
    except PortolanError as error:
        return {"problem": f"{error.message} {error.hint}".strip()}


def _made(request: PersonRequest, remote_id: UUID, project_id: UUID, form: RemoteLinkForm) -> NewRemoteLink | None:
    try:
        return remote.create_link(request.user, project_id, remote_id, **form.words())
    except PortolanError as error:
        form.add_error(error.field if error.field in form.fields else None, f"{error.message} {error.hint}".strip())
        return None
