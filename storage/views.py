"""Pages of a project's folder: browse, change, bring, take away, look."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import PersonRequest
from common.errors import PortolanError
from projects.permissions import get_project
from projects.roles import Action
from storage.forms import NewProjectForm, crumbs
from storage.models import RemoteFolder
from storage.ordering import MATCH_LENGTH, SORTS, USUAL, Order
from storage.services import files, folders, remote, trust
from storage.streaming import file_response, framed_response, zip_response

PAGE = 100
HEADS = (("name", "Name"), ("size", "Size"), ("modified", "Changed"))


@dataclass(frozen=True, kw_only=True)
class Column:
    """The head of a column; ``sorted`` is ascending, descending or empty; a click asks for ``descending``."""

    name: str
    title: str
    sorted: str
    descending: str


@login_required
def new_project(request: PersonRequest) -> HttpResponse:
    """The form of a new project; a POST makes it."""
    form = NewProjectForm(request.POST or None, user=request.user, initial=request.GET.dict())
    if request.method == "POST" and form.is_valid():
        try:
            project = folders.open_project(request.user, **form.cleaned_data)
        except PortolanError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"“{project.name}” is made.")
            return redirect("storage:project", project.pk)
    status = 400 if form.errors else 200
    return render(request, "storage/new_project.html", {"form": form, "section": "projects"}, status=status)


@login_required
@require_GET
def browse(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """One folder of the project, a page at a time, with a look at the chosen file beside it."""
    project = get_project(request.user, Action.VIEW, project_id)
    path, order = request.GET.get("path", ""), order_in(request.GET)
    cursor, chosen = request.GET.get("cursor", ""), request.GET.get("look", "")
    listing = files.list_folder(request.user, project_id, path, cursor=cursor, limit=PAGE, order=order)
    context = {
        "project": project,
        "tab": "files",
        **{"order": order, "cursor": cursor, "columns": columns(order), "remotes": _remotes(request, project_id, path)},
        "path": path,
        "crumbs": crumbs(path),
        "listing": listing,
        "look": chosen,
        "details": _details(request, project_id, chosen),
        "dataset": trust.dataset_at(request.user, project_id, path),
        "usage": trust.usage(request.user, project_id),
        "undo": [item for item in request.GET.get("deleted", "").split(",") if item],
    }
    return render(request, "storage/files.html", context)


@login_required
@require_POST
def make_folder(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """A new folder inside ``path``."""
    path = request.POST.get("path", "")
    files.make_folder(request.user, project_id, _inside(path, request.POST.get("name", "")))
    messages.success(request, "The folder is made.")
    return _back(project_id, path)


@login_required
@require_POST
def move(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The file or folder has its new place and name; nothing is overwritten."""
    source, target = request.POST.get("source", ""), request.POST.get("target", "")
    files.move(request.user, project_id, source, target)
    messages.success(request, f"Moved to {target}.")
    return _back(project_id, request.POST.get("path", ""))


@login_required
@require_POST
def change(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """What the buttons under the list do with the ticked files: ask about deleting, or take them as a zip."""
    paths, path = request.POST.getlist("paths"), request.POST.get("path", "")
    if not paths:
        messages.warning(request, "Nothing is ticked.")
        return _back(project_id, path)
    if request.POST.get("do") == "zip":
        return redirect(f"{reverse('storage:zip', args=[project_id])}?{urlencode({'path': paths}, doseq=True)}")
    project = get_project(request.user, Action.WRITE, project_id)
    context = {"project": project, "tab": "files", "paths": paths, "path": path}
    return render(request, "storage/confirm_delete.html", context)


@login_required
@require_POST
def delete(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The files are in the trash; the page they were on offers the way back."""
    items = files.delete(request.user, project_id, request.POST.getlist("paths"))
    return _back(project_id, request.POST.get("path", ""), deleted=",".join(str(item.pk) for item in items))


@login_required
@require_POST
def undelete(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """What was deleted is where it was."""
    for item in request.POST.getlist("items"):
        files.undelete(request.user, project_id, item)
    messages.success(request, "It is back where it was.")
    return _back(project_id, request.POST.get("path", ""))


@login_required
@require_POST
def retry(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The first files are being copied once more."""
    folders.retry_filling(request.user, project_id)
    return redirect("storage:project", project_id)


@login_required
@require_GET
def trash(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """What was deleted a short while ago, and until when it can be brought back."""
    project = get_project(request.user, Action.VIEW, project_id)
    items = files.trash_list(request.user, project_id)
    return render(request, "storage/trash.html", {"project": project, "tab": "files", "items": items})


@login_required
@require_GET
def download(request: PersonRequest, project_id: UUID) -> HttpResponseBase:
    """One file's bytes, or the range asked for."""
    opened = files.open_file(request.user, project_id, request.GET.get("path", ""))
    return file_response(opened, request)


@login_required
@require_GET
def zip_files(request: PersonRequest, project_id: UUID) -> HttpResponseBase:
    """The chosen files and folders as one zip, made while it is sent."""
    name, size, blocks = files.zip_selection(request.user, project_id, request.GET.getlist("path"))
    return zip_response(request, name=name, size=size, blocks=blocks)


@login_required
@require_GET
def look(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The preview pane of one file."""
    project = get_project(request.user, Action.VIEW, project_id)
    path = request.GET.get("path", "")
    context = {"project": project, "look": path, "details": _details(request, project_id, path)}
    return render(request, "storage/look.html", context)


@login_required
@require_GET
def pick(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The inside of the dialog that picks files for a form field."""
    project = get_project(request.user, Action.VIEW, project_id)
    path, cursor = request.GET.get("path", ""), request.GET.get("cursor", "")
    listing = files.list_folder(request.user, project_id, path, cursor=cursor, limit=PAGE)
    context = {"project": project, "path": path, "crumbs": crumbs(path), "listing": listing}
    return render(request, "storage/pick.html", context)


@login_required
@require_GET
@xframe_options_sameorigin
def show(request: PersonRequest, project_id: UUID) -> HttpResponseBase:
    """A PDF or a page of HTML for a frame in a page of ours; nothing in it runs or reaches anything."""
    opened = files.open_file(request.user, project_id, request.GET.get("path", ""))
    return framed_response(opened, request)


def order_in(query: QueryDict) -> Order:
    """The order that the address asks for; the usual one where it makes no sense."""
    by = query.get("sort", "")
    return Order(
        by=by if by in SORTS else USUAL.by,
        descending=query.get("descending") == "1",
        match=query.get("match", "").strip()[:MATCH_LENGTH],
    )


def columns(order: Order) -> list[Column]:
    """The heads of the list. A first click on a size or date shows the greatest, as people look for those."""
    found = []
    for name, title in HEADS:
        mine = name == order.by
        down = (not order.descending) if mine else name != "name"
        direction = ("descending" if order.descending else "ascending") if mine else ""
        found.append(Column(name=name, title=title, sorted=direction, descending="1" if down else ""))
    return found


def _remotes(request: PersonRequest, project_id: UUID, path: str) -> list[RemoteFolder]:
    """The project's remote folders, shown where its folder begins."""
    return [] if path else list(remote.folders_of(request.user, project_id))


def _details(request: PersonRequest, project_id: UUID, path: str) -> trust.FileDetails | None:
    """What is known of the chosen file; None where there is none (the viewer says why)."""
    if not path:
        return None
    try:
        return trust.details(request.user, project_id, path)
    except PortolanError:
        return None


def _back(project_id: UUID, path: str, **more: str) -> HttpResponse:
    query = urlencode({name: text for name, text in {"path": path, **more}.items() if text})
    return redirect(reverse("storage:files", args=[project_id]) + (f"?{query}" if query else ""))


def _inside(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
