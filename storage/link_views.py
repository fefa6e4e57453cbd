"""Pages of transfer links: make one, see what it moves, take it back; and the way in for large data."""

from datetime import UTC, datetime
from uuid import UUID

import segno
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import PersonRequest
from common.errors import PortolanError, StateConflict, UserError
from projects.models import Project
from projects.permissions import get_project, may
from projects.roles import Action
from storage.forms import LinkForm
from storage.links import ssh_keys
from storage.links.rights import WRITING, Right
from storage.models import TransferLink
from storage.services import links as service
from storage.services import remote
from storage.services.link_keys import make_key
from storage.services.links import NewLink

SHOWN = 200
LOG_ROWS = 40
# From where large data comes: key -> (title, what the link's label is, rights).
SOURCES = {
    "computer": ("From this computer or a server", "Sent by hand", ["list", "read", "write-new"]),
    "storage": ("From another storage", "From another storage", ["list", "read", "write-new", "overwrite"]),
    "microscope": ("From the microscope’s PC", "Microscope", ["list", "write-new"]),
}


@login_required
@never_cache
def links(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The project's links and the form for another; a POST makes one and shows its secret this once."""
    project = get_project(request.user, Action.DOWNLOAD, project_id)
    source = SOURCES.get(request.GET.get("source", ""))
    begin = {"path": request.GET.get("path", ""), "rights": ["list", "read"], "days": 7}
    if source is not None:
        begin |= {"label": source[1], "rights": source[2]}
    form = LinkForm(request.POST or None, initial=begin)
    made = _made(request, project, form) if request.method == "POST" and form.is_valid() else None
    if made is not None:
        return render(request, "storage/link_made.html", _shown_once(project, made))
    found = list(service.links_of(request.user, project_id)[:SHOWN])
    context = {
        "project": project,
        "tab": "links",
        "form": form,
        "opened": source is not None or "path" in request.GET or bool(form.errors),
        "links": found,
        "remote_links": list(remote.links_of(request.user, project_id)[:SHOWN]),
        "rights": _choices(request, project),
    }
    return render(request, "storage/links.html", context, status=400 if form.errors else 200)


def _made(request: PersonRequest, project: Project, form: LinkForm) -> NewLink | None:
    try:
        return service.create_link(request.user, project.pk, **form.words())
    except PortolanError as error:
        form.add_error(error.field if error.field in form.fields else None, f"{error.message} {error.hint}".strip())
        return None


def _shown_once(project: Project, made: NewLink) -> dict[str, object]:
    reads = Right.READ in made.link.rights
    address = f"{made.url}?authz={made.token}" if reads else made.url
    picture = segno.make(address, error="l").svg_data_uri(scale=4, border=3, light="#fff") if reads else ""
    return {"project": project, "tab": "links", "made": made, "picture": picture, "ssh": ssh_keys.address()}


def _choices(request: HttpRequest, project: Project) -> list[tuple[str, str, bool]]:
    """(right, words, whether this person may give it)."""
    writes = may(request.user, Action.WRITE, project)  # type: ignore[arg-type]
    return [(value, words, writes or Right(value) not in WRITING) for value, words in Right.choices]


@login_required
@require_GET
def send(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """How large data gets in: by which way, from where."""
    project = get_project(request.user, Action.WRITE, project_id)
    mine = service.links_of(request.user, project_id).filter(revoked_at=None, expires_at__gt=timezone.now())
    sending = [found for found in mine[:SHOWN] if Right.WRITE_NEW in found.rights]
    context = {"project": project, "tab": "links", "sources": SOURCES.items(), "links": sending}
    return render(request, "storage/send.html", context)


@login_required
@require_GET
def link(request: PersonRequest, project_id: UUID, link_id: UUID) -> HttpResponse:
    """One link: what it opens, what it has moved, and, for those who tend it, its log."""
    project = get_project(request.user, Action.VIEW, project_id)
    found = service.link_of(request.user, project_id, link_id)
    return render(request, "storage/link.html", _of_link(request, project, found))


def _of_link(request: PersonRequest, project: Project, found: TransferLink) -> dict[str, object]:
    tends = service.may_tend(request.user, found)
    return {
        "project": project,
        "tab": "links",
        "link": found,
        "url": service.url_of(found),
        "tends": tends,
        "log": found.accesses.all()[:LOG_ROWS] if tends else [],
        "ssh": ssh_keys.address(),
        **_progress(request, found),
    }


@login_required
@never_cache
@require_POST
def key(request: PersonRequest, project_id: UUID, link_id: UUID) -> HttpResponse:
    """A key for rsync and SFTP, shown this once with its commands; a public key that can't be used is said so."""
    project = get_project(request.user, Action.DOWNLOAD, project_id)
    found = service.own_link(request.user, project_id, link_id)
    public_key = request.POST.get("public_key", "")
    try:
        made = make_key(request.user, project_id, link_id, public_key=public_key)
    except (UserError, StateConflict) as error:
        more = {"key_error": f"{error.message} {error.hint}".strip(), "public_key": public_key}
        return render(request, "storage/link.html", _of_link(request, project, found) | more, status=400)
    return render(request, "storage/link_key.html", {"project": project, "tab": "links", "made": made})


@login_required
@require_GET
def live(request: PersonRequest, project_id: UUID, link_id: UUID) -> HttpResponse:
    """The counters of one link, with the speed since they were last asked for."""
    project = get_project(request.user, Action.VIEW, project_id)
    found = service.link_of(request.user, project_id, link_id)
    context = {"project": project, "link": found, **_progress(request, found)}
    return render(request, "storage/link_live.html", context)


def _progress(request: HttpRequest, found: TransferLink) -> dict[str, object]:
    """Speed since the page's last question (whose count and time come with this one), and the time left by it."""
    now, moved = timezone.now(), found.bytes_in + found.bytes_out
    speed = 0.0
    try:
        before, at = int(request.GET["was"]), datetime.fromtimestamp(float(request.GET["at"]), tz=UTC)
        speed = max(0.0, (moved - before) / max((now - at).total_seconds(), 0.001))
    except (KeyError, ValueError, OverflowError, OSError):
        pass
    left = max(0, (found.expected_bytes or 0) - found.bytes_in)
    return {
        "moved": moved,
        "at": f"{now.timestamp():.3f}",
        "speed": int(speed),
        "seconds_left": left / speed if speed and left else None,
        "percent": min(100, round(100 * found.bytes_in / found.expected_bytes)) if found.expected_bytes else None,
    }


@login_required
@require_POST
def revoke(request: PersonRequest, project_id: UUID, link_id: UUID) -> HttpResponse:
    """The link is of no use any more."""
    service.revoke_link(request.user, project_id, link_id)
    messages.success(request, "The link is revoked. Whatever it was moving has stopped.")
    return redirect("storage:links", project_id)
