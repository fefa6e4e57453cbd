"""Operators' page about POSIX access lists."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.operators import for_operators
from accounts.requests import PersonRequest
from common.errors import NotFound
from storage.models import SiteKind, StorageSite
from storage.services import acls


@for_operators
def page(request: PersonRequest) -> HttpResponse:
    """Which sites mirror roles, which folders differ now, who has an account there."""
    context = {
        "section": "operator",
        "sites": StorageSite.objects.filter(kind=SiteKind.POSIX).order_by("name"),
        "drifts": acls.drifted(request.user),
        "people": User.objects.exclude(posix_account="").order_by("username")[:500],
    }
    return render(request, "jobs/acls.html", context)


@for_operators
@require_POST
def mirror_site(request: PersonRequest, site_id: UUID) -> HttpResponse:
    """The site's folders follow the roles, or no longer."""
    site = acls.set_mirroring(request.user, site_id, on=request.POST.get("on") == "1")
    messages.success(request, f"Roles are {'mirrored' if site.posix_acls else 'no longer mirrored'} on {site.name}.")
    return redirect("jobs:acls")


@for_operators
@require_POST
def repair(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The folder's access lists say what the roles say."""
    left = acls.repair(request.user, project_id)
    if left.differences:
        messages.error(request, f"{left.folder.project.name} still differs: {left.differences[0]}")
    else:
        messages.success(request, f"{left.folder.project.name} is repaired.")
    return redirect("jobs:acls")


@for_operators
@require_POST
def set_account(request: PersonRequest) -> HttpResponse:
    """A person has this account on the storage."""
    person = User.objects.filter(username=request.POST.get("username", "").strip()).first()
    if person is None:
        raise NotFound("There is no user of that name here.", code="account_not_found")
    person = acls.set_posix_account(request.user, person.pk, posix_account=request.POST.get("posix_account", ""))
    messages.success(request, f"{person.display_name}: {person.posix_account or 'no POSIX account'}.")
    return redirect("jobs:acls")
