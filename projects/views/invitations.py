"""Pages of invitations: sent, taken back, opened and accepted."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.authentication import digest
from accounts.requests import PersonRequest
from common.errors import NotFound, StateConflict, TooOften, UserError
from projects import services
from projects.forms import InviteForm
from projects.permissions import get_project
from projects.roles import Action


@login_required
@never_cache
def invite(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """Somebody to invite; a POST sends the invitation and shows its link this once."""
    project = get_project(request.user, Action.MANAGE, project_id)
    form = InviteForm(request.POST or None)
    context = {"project": project, "tab": "people", "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            context["invited"] = services.invite(request.user, project_id, **form.cleaned_data)
        except (StateConflict, TooOften, UserError) as error:
            form.refuse(error)
    return render(request, "projects/invite.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def invitation_revoke(request: PersonRequest, project_id: UUID, invitation_id: UUID) -> HttpResponse:
    """The link can't be used any more."""
    services.revoke_invitation(request.user, project_id, invitation_id)
    messages.success(request, "The invitation is taken back.")
    return redirect("projects:people", project_id)


@never_cache
def open_invitation(request: HttpRequest) -> HttpResponse:
    """The link of an invitation: its code leaves the address at once, and who is not signed in signs in first."""
    code = request.GET.get("code", "")
    if code:
        # The session keeps a hash, as the invitation itself does.
        request.session["invitation"] = digest(code[:200])
        return redirect("projects:invitation")
    return invitation(request)  # type: ignore[arg-type]


@login_required
def invitation(request: PersonRequest) -> HttpResponse:
    """What one is invited to; a POST accepts."""
    code_digest = request.session.get("invitation")
    if not code_digest:
        hint = "Open the link in the mail once more."
        raise NotFound("There is no invitation to look at.", code="invitation_not_found", hint=hint)
    if request.method != "POST":
        return render(request, "projects/invitation.html", {"invitation": services.invitation_of(code_digest)})
    member = services.accept_invitation(request.user, code_digest)
    del request.session["invitation"]
    messages.success(request, f"You are in “{member.project.name}” now, as {member.role}.")
    return redirect("storage:project", member.project_id)
