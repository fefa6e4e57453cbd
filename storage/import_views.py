"""Pages of imports: where files are to be brought from, what would come, and how far it is."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import PersonRequest
from common.errors import NotFound, PortolanError
from projects.models import Project
from projects.permissions import get_project, may
from projects.roles import Action
from storage.forms import AgainForm, ImportForm
from storage.models import Import, ImportFileState, ImportState
from storage.services import imports as service

SHOWN, PREVIEWED = 100, 5
FIELDS = {"address": "addresses"}


@login_required
@never_cache
def imports(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The project's imports and the form for another; a POST has its source looked at."""
    project = get_project(request.user, Action.VIEW, project_id)
    begin = {"target": request.GET.get("path", ""), "kind": "webdav", "conflict": "skip"}
    form = ImportForm(request.POST or None, initial=begin)
    if request.method == "POST":
        get_project(request.user, Action.WRITE, project_id)
        made = _made(request, project, form) if form.is_valid() else None
        if made is not None:
            return redirect("storage:import", project.pk, made.pk)
    found = list(service.imports_of(request.user, project_id)[:SHOWN])
    opened = bool(form.errors) or "path" in request.GET or not found
    writes = may(request.user, Action.WRITE, project)
    context = {"project": project, "tab": "files", "form": form, "imports": found, "opened": opened, "writes": writes}
    return render(request, "storage/imports.html", context, status=400 if form.errors else 200)


def _made(request: PersonRequest, project: Project, form: ImportForm) -> Import | None:
    words = {name: form.cleaned_data[name] for name in ("kind", "target", "conflict")}
    try:
        return service.make_import(request.user, project.pk, entry=form.entry(), starts_itself=False, **words)
    except PortolanError as error:
        field = FIELDS.get(error.field or "", "target" if error.field in ("path", "target") else None)
        form.add_error(field, f"{error.message} {error.hint}".strip())
        return None


@login_required
@require_GET
@never_cache
def one(request: PersonRequest, project_id: UUID, import_id: UUID) -> HttpResponse:
    """One import: what would come, how far it is, and what went wrong."""
    return render(request, "storage/import.html", _shown(request, project_id, import_id))


@login_required
@require_GET
@never_cache
def live(request: PersonRequest, project_id: UUID, import_id: UUID) -> HttpResponse:
    """The part of the page that changes."""
    return render(request, "storage/import_live.html", _shown(request, project_id, import_id))


def _shown(request: PersonRequest, project_id: UUID, import_id: UUID) -> dict[str, object]:
    run = service.import_of(request.user, project_id, import_id)
    left = max(0, run.size - run.come)
    moving = run.state == ImportState.RUNNING
    return {
        "project": get_project(request.user, Action.VIEW, project_id),
        "tab": "files",
        "run": run,
        "tends": service.may_tend(request.user, run),
        "follows": run.state in (ImportState.LISTING, ImportState.RUNNING),
        "no_room": service.no_room(run),
        "to_come": run.files - run.left_out - run.failed_files - run.done_files,
        "percent": min(100, int(100 * run.come / run.size)) if run.size else None,
        "seconds_left": left / run.rate if moving and run.rate and left else None,
        "troubled": service.troubled(run)[:SHOWN],
        "first": run.items.filter(state=ImportFileState.WAITING)[:PREVIEWED] if run.state == ImportState.LISTED else [],
        "goes_on": run.state != ImportState.CANCELLED and (run.state != ImportState.DONE or run.failed_files > 0),
        "ended": run.state in (ImportState.FAILED, ImportState.DONE, ImportState.CANCELLED),
        "asks_address": not all(run.addresses),
    }


@login_required
@require_POST
def act(request: PersonRequest, project_id: UUID, import_id: UUID) -> HttpResponse:
    """The import is started, paused or cancelled."""
    deeds = {"pause": service.pause_import, "cancel": service.cancel_import, "start": service.start_import}
    deed = deeds.get(request.POST.get("do", ""))
    form = AgainForm(request.POST)
    if deed is None or not form.is_valid():
        raise NotFound("There is no such button.")
    given = [form.entry()] if deed is service.start_import else []
    try:
        deed(request.user, project_id, import_id, *given)
    except PortolanError as error:
        get_project(request.user, Action.WRITE, project_id)
        messages.error(request, f"{error.message} {error.hint}".strip())
    return redirect("storage:import", project_id, import_id)


@login_required
@require_GET
def manifest(request: PersonRequest, project_id: UUID, import_id: UUID) -> HttpResponse:
    """The checksums of what came, to be saved."""
    text = service.manifest_of(request.user, project_id, import_id)
    headers = {"Content-Disposition": 'attachment; filename="import-manifest-sha256.txt"'}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)
