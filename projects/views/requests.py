"""Pages to ask for access to a project, and to answer."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.requests import PersonRequest
from common.errors import StateConflict, TooOften, UserError
from projects import services
from projects.forms import AccessForm, RoleForm
from projects.models import Project
from projects.roles import Role


@login_required
def request_access(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """What was asked of this address, or the form to ask; the same for an address without a project."""
    if Project.objects.visible_to(request.user).filter(pk=project_id).exists():
        return redirect("storage:project", project_id)
    form = AccessForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.request_access(request.user, project_id, **form.cleaned_data)
        except (StateConflict, TooOften, UserError) as error:
            form.refuse(error)
        else:
            return redirect("projects:request_access", project_id)
    asked = services.my_requests(request.user).filter(project_id=project_id).first()
    context = {"form": form, "asked": asked, "project_id": project_id}
    return render(request, "projects/request_access.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def request_withdraw(request: PersonRequest, project_id: UUID, request_id: UUID) -> HttpResponse:
    """The request no longer waits."""
    services.withdraw_request(request.user, request_id)
    messages.success(request, "Your request is withdrawn.")
    return redirect("projects:request_access", project_id)


@login_required
@require_POST
def request_decide(request: PersonRequest, project_id: UUID, request_id: UUID) -> HttpResponse:
    """The request is approved with the posted role, or declined with the posted word."""
    if "decline" in request.POST:
        services.decline_request(request.user, project_id, request_id, answer=request.POST.get("answer", ""))
        messages.success(request, "The request is declined.")
        return redirect("projects:people", project_id)
    form = RoleForm({"role": request.POST.get("role") or Role.VIEWER, "until": request.POST.get("until", "")})
    if not form.is_valid():
        messages.error(request, " ".join(str(word) for words in form.errors.values() for word in words))
        return redirect("projects:people", project_id)
    given = {name: form.cleaned_data[name] for name in ("role", "until")}
    member = services.approve_request(request.user, project_id, request_id, **given)
    messages.success(request, f"{member.user.display_name} is in now, as {member.role}.")
    return redirect("projects:people", project_id)
