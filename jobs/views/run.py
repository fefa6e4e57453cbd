"""The form that starts a job, or runs one again with changes."""

import uuid
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from accounts.requests import PersonRequest
from common.errors import NotFound, PortolanError
from jobs import registry, services
from jobs.forms import files_value, form_groups, texts_of, typed_inputs
from jobs.models import ComputeSite, Job
from jobs.views.job import expected
from projects.permissions import get_project
from projects.roles import Action
from storage.services.folders import folder_of


@login_required
def run(request: PersonRequest, project_id: UUID, tool: str) -> HttpResponse:
    """The tool's form; a POST starts the job, or shows beside the fields what must be changed."""
    project = get_project(request.user, Action.RUN, project_id)
    info = registry.get_tool(tool)
    earlier = _earlier(request, project_id, info)
    made, plan, error = _asked(request, project_id, info, earlier)
    if made is not None:
        return redirect("jobs:job", made.pk)
    texts = _texts(request, info, earlier)
    groups = form_groups(info.schema, info.form.groups, texts, error.errors if error else {})
    context = {"project": project, "tab": "jobs", "tool": info, "groups": groups, "error": error, "earlier": earlier}
    context["plan"] = plan
    status = 400 if error else 200
    return render(request, "jobs/run.html", {**context, **_frame(request, info)}, status=status)


@login_required
@require_GET
def matches(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """How many files a typed pattern, folder or list names now."""
    project = get_project(request.user, Action.VIEW, project_id)
    text = next((typed for name, typed in request.GET.dict().items() if name.startswith("inputs.")), "")
    text = str(text).strip()
    context: dict[str, Any] = {"text": text}
    if text:
        try:
            context["found"] = services.count_matches(folder_of(project), files_value(text))
        except PortolanError as error:
            context["error"] = error
    return render(request, "jobs/matches.html", context)


def _asked(
    request: PersonRequest, project_id: UUID, info: registry.ToolInfo, earlier: Job | None
) -> tuple[Job | None, services.Plan | None, PortolanError | None]:
    """The job that a POST started, or what it would be with “plan”, or what must be changed."""
    if request.method != "POST":
        return None, None, None
    try:
        if "plan" in request.POST:
            return None, _plan(request, project_id, info), None
        return _start(request, project_id, info, earlier), None, None
    except PortolanError as refused:
        return None, None, refused


def _plan(request: PersonRequest, project_id: UUID, info: registry.ToolInfo) -> services.Plan:
    return services.submit_job(
        request.user,
        project_id,
        tool=info.name,
        inputs=typed_inputs(info.schema, request.POST.dict()),
        site=request.POST.get("site") or None,
        cores=_count(request.POST.get("cores", "")),
        dry_run=True,
    )


def _start(request: PersonRequest, project_id: UUID, info: registry.ToolInfo, earlier: Job | None) -> Job:
    inputs = typed_inputs(info.schema, request.POST.dict())
    idempotency_key = request.POST.get("key") or None
    if earlier:
        dropped = dict.fromkeys(set(earlier.inputs) - set(inputs))
        return services.rerun_job(
            request.user, earlier.pk, changes={**dropped, **inputs}, idempotency_key=idempotency_key
        )
    return services.submit_job(
        request.user,
        project_id,
        tool=info.name,
        inputs=inputs,
        title=request.POST.get("title", "").strip()[:200],
        site=request.POST.get("site") or None,
        cores=_count(request.POST.get("cores", "")),
        idempotency_key=idempotency_key,
    )


def _earlier(request: PersonRequest, project_id: UUID, info: registry.ToolInfo) -> Job | None:
    wanted = request.POST.get("from") or request.GET.get("from")
    if not wanted:
        return None
    earlier = services.get_job(request.user, Action.RUN, wanted)
    # What starts is what the page says, in the project that it says.
    if (earlier.project_id, earlier.tool) != (project_id, info.name):
        raise NotFound("This project has no such job of this tool.", code="job_not_found")
    return earlier


def _texts(request: PersonRequest, info: registry.ToolInfo, earlier: Job | None) -> dict[str, str]:
    if request.method == "POST":
        typed = {name.removeprefix("inputs."): text for name, text in request.POST.dict().items()}
        return {name: typed.get(name, "") for name in info.schema.get("properties", {})}
    if request.GET.get("sample"):
        return texts_of(info.form.sample)
    texts = texts_of(earlier.inputs) if earlier else {}
    return {**texts, **{name: text for name, text in request.GET.dict().items() if name in info.schema["properties"]}}


def _frame(request: PersonRequest, info: registry.ToolInfo) -> dict[str, Any]:
    sites = list(ComputeSite.objects.filter(enabled=True).order_by("name"))
    given = request.POST if request.method == "POST" else request.GET
    return {
        "sites": sites,
        "expected": expected(info.name, info),
        "cores": given.get("cores") or (info.form.queue.cores or 1),
        "most_cores": max((site.cores for site in sites), default=1),
        "title": given.get("title", ""),
        "site": given.get("site", ""),
        "key": uuid.uuid4(),
    }


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
