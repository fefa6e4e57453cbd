"""A job's page, its parts that change, and the list of a project's jobs."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.requests import PersonRequest
from common.errors import NotFound, PortolanError, StateConflict, Unavailable, UserError
from jobs import registry, services
from jobs.models import Job
from jobs.repairs import Action
from jobs.states import ACTIVE, JobState
from jobs.views.home import titles
from jobs.views.story import cards, evidence, numbers, phases
from projects.permissions import get_project
from projects.roles import Action as Right

PAGE, LONGEST_NUMBER = 50, 10
SHOWN: dict[str, list[str]] = {
    "active": [state.value for state in ACTIVE],
    "succeeded": [JobState.SUCCEEDED],
    "failed": [JobState.FAILED],
    "cancelled": [JobState.CANCELLED],
}


@login_required
@require_GET
def job_list(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The project's jobs, newest first, a page at a time."""
    project = get_project(request.user, Right.VIEW, project_id)
    found = project.jobs.select_related("submitted_by", "site").order_by("-number")
    state, tool, before = (request.GET.get(name, "") for name in ("state", "tool", "before"))
    found = found.filter(state__in=SHOWN[state]) if state in SHOWN else found
    found = found.filter(tool=tool) if tool else found
    known = before.isascii() and before.isdigit() and len(before) < LONGEST_NUMBER
    found = found.filter(number__lt=int(before)) if known else found
    rows = list(found[: PAGE + 1])
    more = rows[PAGE - 1].number if len(rows) > PAGE else None
    context = {"project": project, "tab": "jobs", "jobs": rows[:PAGE], "more": more, "titles": titles()}
    return render(request, "jobs/list.html", {**context, "state": state, "tool": tool})


@login_required
@require_GET
def numbered(request: PersonRequest, project_id: UUID, number: int) -> HttpResponse:
    """The way to the page of the project's job of this number. A copied project has folders of jobs it never ran."""
    project = get_project(request.user, Right.VIEW, project_id)
    found = project.jobs.filter(number=number).first() if len(str(number)) < LONGEST_NUMBER else None
    if found is None:
        messages.warning(request, f"Job {number} did not run in this project: its folder came with a copy.")
        return redirect("jobs:list", project_id)
    return redirect("jobs:job", found.pk)


@login_required
@require_GET
def job(request: PersonRequest, job_id: UUID) -> HttpResponse:
    """The whole page of a job."""
    found = services.get_job(request.user, Right.VIEW, job_id)
    context = {
        "project": found.project,
        "tab": "jobs",
        **_live(request.user, found),
        **_results(request, found),
        **_making(request, found),
    }
    return render(request, "jobs/job.html", context)


@login_required
@require_GET
def live(request: PersonRequest, job_id: UUID) -> HttpResponse:
    """The part of a job's page that follows its state."""
    found = services.get_job(request.user, Right.VIEW, job_id)
    return render(request, "jobs/live.html", {"project": found.project, **_live(request.user, found)})


@login_required
@require_GET
def results(request: PersonRequest, job_id: UUID) -> HttpResponse:
    """The results of a job as they are now."""
    found = services.get_job(request.user, Right.VIEW, job_id)
    return render(request, "jobs/results.html", {"project": found.project, "job": found, **_results(request, found)})


@login_required
@require_GET
def log(request: PersonRequest, job_id: UUID) -> HttpResponse:
    """A log from the beginning, as text, for those without JavaScript."""
    stream = "stderr" if request.GET.get("stream") == "stderr" else "stdout"
    wanted = request.GET.get("element", "")
    if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) < LONGEST_NUMBER):
        raise NotFound("There is no such element.")
    chunk = services.read_log(request.user, job_id, stream, limit=2**20, element=int(wanted) if wanted else None)
    return HttpResponse(chunk.text, content_type="text/plain; charset=utf-8")


@login_required
@require_POST
def cancel(request: PersonRequest, job_id: UUID) -> HttpResponse:
    """The job is being cancelled."""
    services.cancel_job(request.user, job_id)
    messages.success(request, "The job is being cancelled.")
    return redirect("jobs:job", job_id)


@login_required
@require_POST
def repair(request: PersonRequest, job_id: UUID) -> HttpResponse:
    """The failed job is taken up again in the way of the button."""
    wanted = request.POST.get("action", "")
    if wanted not in set(Action):
        raise NotFound("There is no such button.")
    try:
        services.repair_job(request.user, job_id, Action(wanted))
        messages.success(request, "The job is taken up again.")
    except (UserError, Unavailable, StateConflict) as refused:
        messages.error(request, f"{refused.message} {refused.hint}".strip())
    return redirect("jobs:job", job_id)


def _live(user: User, found: Job) -> dict[str, Any]:
    attempts = list(found.attempts.select_related("site"))
    events = list(found.events.select_related("actor"))
    tool = _tool(found.tool)
    elements = services.elements_of(user, found.pk) if found.elements else []
    return {
        "job": found,
        "state": found.job_state,
        "phases": phases(found, {event.to_state for event in events}),
        "evidence": evidence(attempts[-1] if attempts else None),
        "attempts": attempts,
        "events": events,
        "expected": expected(found.tool, tool) if not found.job_state.final else None,
        "tool": tool,
        "repairs": services.repairs(found, user),
        "elements": elements,
        "elements_failed": any(one.failure for one in elements),
    }


def expected(name: str, tool: registry.ToolInfo | None) -> float | None:
    """How long a job of the tool takes: as earlier ones did, or as the tool says; None when neither is known."""
    return services.expected_seconds(name) or (tool.form.expected_seconds if tool else None)


def _results(request: PersonRequest, found: Job) -> dict[str, Any]:
    made, tool = list(found.results.all()), _tool(found.tool)
    waiting = not found.job_state.final
    if waiting and tool and not made:
        made = services.charts_so_far(request.user, found.pk, tool)
    hints = tool.results if tool else ()
    shown = cards(made, hints)
    with_numbers = next((one for one in hints if one.numbers), None)
    source = next((one for one in made if with_numbers and one.output == with_numbers.output), None)
    figures = services.numbers_of(request.user, source) if source else {}
    return {
        "cards": shown,
        "leading": [card for card in shown if not card.folded],
        "folded": [card for card in shown if card.folded],
        "numbers": numbers(figures, with_numbers) if with_numbers else [],
        "figures": figures,
        "count": len(made),
        "waiting": waiting,
    }


def _making(request: PersonRequest, found: Job) -> dict[str, Any]:
    started = found.job_state not in (JobState.CREATED, JobState.STAGING_IN)
    return {
        "command": services.command_of(request.user, found.pk) if started else "",
        "changes": _changes(found.rerun_of, found) if found.rerun_of else [],
        "reruns": found.reruns.all()[:10],
    }


def _changes(before: Job, after: Job) -> list[services.Change]:
    """What differs between the jobs; a value left out and the same value written down are no difference."""
    tool = _tool(after.tool)
    rules = tool.schema.get("properties", {}) if tool else {}
    found = []
    for change in services.job_difference(before, after):
        default = rules.get(change.path, {}).get("default")
        was, now = (default if one is None else one for one in (change.before, change.after))
        if was != now:
            found.append(services.Change(path=change.path, before=was, after=now))
    return found


def _tool(name: str) -> registry.ToolInfo | None:
    try:
        return registry.get_tool(name)
    except PortolanError:
        return None
