"""Pages that take access away: what it ends is shown, and what runs finishes or is cancelled."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.requests import PersonRequest
from jobs.services import access
from jobs.services.access import Ending, Running


@login_required
def member_remove(request: PersonRequest, project_id: UUID, user_id: UUID) -> HttpResponse:
    """What removing the member would end; a POST removes them."""
    ending = access.what_ends(request.user, project_id, member=user_id)
    if request.method != "POST":
        return _asked(request, ending, "member")
    stopped = access.remove_member(request.user, project_id, user_id, **_answer(request))
    messages.success(request, f"The person is no longer a member.{_told(stopped)}")
    return redirect("projects:people", project_id)


@login_required
def grant_remove(request: PersonRequest, project_id: UUID, grant_id: UUID) -> HttpResponse:
    """What taking the group's role away would end; a POST takes it away."""
    ending = access.what_ends(request.user, project_id, grant=grant_id)
    if request.method != "POST":
        return _asked(request, ending, "grant")
    stopped = access.remove_grant(request.user, project_id, grant_id, **_answer(request))
    messages.success(request, f"The group has no role here any more.{_told(stopped)}")
    return redirect("projects:people", project_id)


@login_required
def leave(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """What leaving would end; a POST leaves."""
    ending = access.what_ends(request.user, project_id, member=request.user.pk)
    if request.method != "POST":
        return _asked(request, ending, "leave")
    stopped = access.leave_project(request.user, project_id, running=request.POST.get("running") or Running.FINISH)
    messages.success(request, f"You have left the project.{_told(stopped)}")
    return redirect("projects:list")


def _asked(request: PersonRequest, ending: Ending, what: str) -> HttpResponse:
    context = {"project": ending.project, "tab": "people", "ending": ending, "what": what, "choices": Running.choices}
    return render(request, "jobs/remove.html", context)


def _answer(request: PersonRequest) -> dict[str, str]:
    return {"running": request.POST.get("running") or Running.FINISH, "why": request.POST.get("why", "")}


def _told(stopped: int) -> str:
    return f" {stopped} running job{'s are' if stopped != 1 else ' is'} being cancelled." if stopped else ""
