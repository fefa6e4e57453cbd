"""REST: tools and jobs."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from django.http import StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from common.errors import NotFound, PortolanError
from common.pagination import OldestByNumber
from jobs import registry, services
from jobs.models import Job, JobEvent
from jobs.repairs import Action as Repairing
from jobs.serializers import (
    ElementsSerializer,
    EventSerializer,
    HowSerializer,
    JobSerializer,
    JobsQuerySerializer,
    LogQuerySerializer,
    LogSerializer,
    NewJobSerializer,
    OutputsSerializer,
    PlanSerializer,
    RepairJobSerializer,
    RerunSerializer,
    ToolDetailSerializer,
    ToolsSerializer,
)
from projects.permissions import get_project
from projects.roles import Action
from storage.api.files import AnyMedia

KEEP_ALIVE_SECONDS = 15
KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Any text of yours. The same key with the same body is the same job; with another body it is 422.",
)
DRY_RUN = OpenApiParameter("dry_run", bool, description="Nothing is made; the answer is what would be.")


class ToolViewSet(GenericViewSet):
    """Tools."""

    serializer_class = ToolsSerializer
    pagination_class = None

    @extend_schema(operation_id="tools_list", summary="What can be run", tags=["tools"])
    def list(self, request: Request) -> Response:
        """All tools, in the order of their cards."""
        return Response(ToolsSerializer({"results": registry.tools()}).data)

    @extend_schema(
        operation_id="tools_get", summary="One tool and its inputs", tags=["tools"], responses=ToolDetailSerializer
    )
    def retrieve(self, request: Request, name: str) -> Response:
        """The tool with the JSON Schema of its inputs."""
        if name not in {tool.name for tool in registry.tools()}:
            raise NotFound(f"There is no tool “{name}”.", code="unknown_tool")
        return Response(ToolDetailSerializer(registry.get_tool(name)).data)


class ProjectJobViewSet(GenericViewSet):
    """Jobs of a project."""

    queryset = Job.objects.select_related("site", "submitted_by").prefetch_related("attempts")
    serializer_class = JobSerializer

    @extend_schema(
        operation_id="jobs_list", summary="Jobs of a project", tags=["jobs"], parameters=[JobsQuerySerializer]
    )
    def list(self, request: Request, project_id: UUID) -> Response:
        """The project's jobs, newest first; by ``state`` and ``tool``."""
        project = get_project(person(request), Action.VIEW, project_id)
        query = JobsQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        page = self.paginate_queryset(self.get_queryset().filter(project=project, **query.validated_data))
        return self.get_paginated_response(JobSerializer(page, many=True).data)

    @extend_schema(
        operation_id="jobs_submit",
        summary="Submit a job",
        tags=["jobs"],
        parameters=[KEY, DRY_RUN],
        request=NewJobSerializer,
        responses={
            201: JobSerializer,
            200: OpenApiResponse(PlanSerializer, "With `dry_run=1`: what would be run, and where."),
        },
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """A job, to be watched at its address. With ``Idempotency-Key`` it is safe to ask again after a lost answer.

        A repeated request is answered as the first was, with the same job and ``Idempotency-Replayed: true``.
        """
        began = timezone.now()
        body = NewJobSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked, key = body.validated_data, request.headers.get("Idempotency-Key")
        if request.query_params.get("dry_run", "") in {"1", "true"}:
            plan = services.submit_job(person(request), project_id, **asked, dry_run=True)
            return Response(PlanSerializer(plan).data)
        return _submitted(services.submit_job(person(request), project_id, **asked, idempotency_key=key), began)


class JobViewSet(GenericViewSet):
    """One job."""

    queryset = Job.objects.select_related("site", "submitted_by").prefetch_related("attempts")
    serializer_class = JobSerializer
    pagination_class = OldestByNumber

    @extend_schema(operation_id="jobs_get", summary="One job", tags=["jobs"])
    def retrieve(self, request: Request, job_id: UUID) -> Response:
        """The job: where it stands and why. It is over when ``final`` is true."""
        user = person(request)
        job = services.get_job(user, Action.VIEW, job_id)
        return Response(JobSerializer(job, context={"repairs": services.repairs(job, user)}).data)

    @extend_schema(operation_id="jobs_cancel", summary="Cancel a job", tags=["jobs"], request=None)
    def cancel(self, request: Request, job_id: UUID) -> Response:
        """The job is being cancelled; in any state that is not final. 409 when it was over before."""
        services.cancel_job(person(request), job_id)
        return self.retrieve(request, job_id)

    @extend_schema(
        operation_id="jobs_rerun",
        summary="Run a job again",
        tags=["jobs"],
        parameters=[KEY],
        request=RerunSerializer,
        responses={201: JobSerializer},
    )
    def rerun(self, request: Request, job_id: UUID) -> Response:
        """A new job with the same inputs but for ``changes``."""
        began = timezone.now()
        body = RerunSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        key = request.headers.get("Idempotency-Key")
        made = services.rerun_job(person(request), job_id, changes=body.validated_data["changes"], idempotency_key=key)
        return _submitted(made, began)

    @extend_schema(
        operation_id="jobs_repair", summary="Take a failed job up again", tags=["jobs"], request=RepairJobSerializer
    )
    def repair(self, request: Request, failed_id: UUID) -> Response:
        """The same job goes on (`recover`), or begins anew as a further attempt. 409 for what it can't do."""
        body = RepairJobSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        services.repair_job(person(request), failed_id, Repairing(asked["action"]), site=asked["site"])
        return self.retrieve(request, failed_id)

    @extend_schema(
        operation_id="jobs_events",
        summary="What happened to a job",
        tags=["jobs"],
        responses=EventSerializer(many=True),
    )
    def events(self, request: Request, job_id: UUID) -> Response:
        """Each change of its state, oldest first."""
        job = services.get_job(person(request), Action.VIEW, job_id)
        page = self.paginate_queryset(JobEvent.objects.filter(job=job).select_related("actor"))
        return self.get_paginated_response(EventSerializer(page, many=True).data)

    @extend_schema(
        operation_id="jobs_elements", summary="A job's elements", tags=["jobs"], responses=ElementsSerializer
    )
    def elements(self, request: Request, job_id: UUID) -> Response:
        """Where each element of a job that was split stands; none for a job that runs in one piece."""
        found = services.elements_of(person(request), job_id)
        return Response(ElementsSerializer({"results": found}).data)

    @extend_schema(operation_id="jobs_outputs", summary="A job's outputs", tags=["jobs"], responses=OutputsSerializer)
    def outputs(self, request: Request, job_id: UUID) -> Response:
        """The output files by name, each with the address of its bytes."""
        job = services.get_job(person(request), Action.VIEW, job_id)
        content = request.build_absolute_uri(reverse("api:files_content", args=[job.project_id]))
        context = {"content_url": lambda path: f"{content}?{urlencode({'path': path})}"}
        return Response(OutputsSerializer({"results": job.results.all()}, context=context).data)

    @extend_schema(
        operation_id="jobs_log",
        summary="A job's log",
        tags=["jobs"],
        parameters=[LogQuerySerializer],
        responses=LogSerializer,
    )
    def log(self, request: Request, job_id: UUID) -> Response:
        """A piece of standard output or error from ``offset`` on, also while the job runs."""
        query = LogQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        where = {name: asked[name] for name in ("stream", "offset", "limit", "element")}
        chunk = services.read_log(person(request), job_id, **where)
        return Response(LogSerializer(chunk).data)

    @extend_schema(operation_id="jobs_how", summary="How a job was made", tags=["jobs"], responses=HowSerializer)
    def how(self, request: Request, job_id: UUID) -> Response:
        """The command, the inputs as they were resolved, and what is other than in the job it runs again."""
        job = services.get_job(person(request), Action.VIEW, job_id)
        changes = services.job_difference(job.rerun_of, job) if job.rerun_of else []
        answer = {"command": services.command_of(person(request), job_id), "changes": changes}
        answer |= {"tool": job.tool, "tool_digest": job.tool_digest, "inputs": job.job_order}
        return Response(HowSerializer(answer).data)


class JobStreamViewSet(GenericViewSet):
    """A job as it goes."""

    pagination_class = None
    content_negotiation_class = AnyMedia

    @extend_schema(
        operation_id="jobs_stream",
        summary="Follow a job",
        tags=["jobs"],
        responses={(200, "text/event-stream"): OpenApiResponse(OpenApiTypes.OBJECT, "Server-sent events.")},
    )
    def stream(self, request: Request, job_id: UUID) -> StreamingHttpResponse:
        """Server-sent events: an event ``job`` at once and at each change; the stream ends with the job.

        Its data are JSON: state, reason, progress, the sizes of the logs, the number of results. After a broken
        connection ``Last-Event-ID`` saves hearing the same news again.
        """
        services.get_job(person(request), Action.VIEW, job_id)
        news = services.job_changes(person(request), job_id)
        answer = StreamingHttpResponse(
            job_events(news, known=request.headers.get("Last-Event-ID", "")), content_type="text/event-stream"
        )
        answer["Cache-Control"] = "no-store"
        answer["X-Accel-Buffering"] = "no"
        return answer


async def job_events(news: AsyncIterator[services.JobNews], *, known: str = "") -> AsyncIterator[str]:
    """The news as server-sent events, but for the one whose id is ``known``; now and then a comment keeps it open."""
    coming = asyncio.ensure_future(anext(news))
    try:
        while True:
            done, _ = await asyncio.wait([coming], timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield ": nothing new\n\n"
                continue
            data = json.dumps(asdict(coming.result()), sort_keys=True)
            name = hashlib.sha256(data.encode()).hexdigest()[:16]
            if name != known:
                yield f"id: {name}\nevent: job\ndata: {data}\n\n"
            known = name
            coming = asyncio.ensure_future(anext(news))
    except StopAsyncIteration:
        return
    except PortolanError as error:
        yield f"event: problem\ndata: {json.dumps({'code': error.code, 'detail': error.message})}\n\n"
    finally:
        coming.cancel()


def _submitted(job: Job, began: datetime) -> Response:
    """201 with the job; a job that was there before the request began is told as a replay."""
    headers = {"Location": f"/api/v1/jobs/{job.pk}/"}
    if job.created_at < began:
        headers["Idempotency-Replayed"] = "true"
    return Response(JobSerializer(job).data, status=status.HTTP_201_CREATED, headers=headers)
