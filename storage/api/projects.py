"""REST: projects, each with its folder."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.models import User
from projects import services
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action
from storage.serializers import CloneSerializer, NewProjectSerializer, ProjectChangeSerializer, ProjectSerializer
from storage.services.folders import open_project

ARCHIVED = OpenApiParameter(
    "archived", bool, description="Only archived ones, or only those that are not. Left out: both."
)


class ProjectViewSet(GenericViewSet):
    """Projects that one is a member of."""

    queryset = Project.objects.none()
    serializer_class = ProjectSerializer

    @extend_schema(operation_id="projects_list", summary="My projects", tags=["projects"], parameters=[ARCHIVED])
    def list(self, request: Request) -> Response:
        """Projects that one is a member of now, newest first."""
        found = _described(person(request))
        wanted = {"true": True, "1": True, "false": False, "0": False}.get(request.query_params.get("archived", ""))
        if wanted is not None:
            found = found.filter(archived_at__isnull=not wanted)
        return self.get_paginated_response(ProjectSerializer(self.paginate_queryset(found), many=True).data)

    @extend_schema(
        operation_id="projects_create",
        summary="Make a project",
        tags=["projects"],
        request=NewProjectSerializer,
        responses={201: ProjectSerializer},
    )
    def create(self, request: Request) -> Response:
        """A project with its folder. Watch ``folder.state`` until it is ``ready`` when it begins from a source."""
        body = NewProjectSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        project = open_project(person(request), **body.validated_data)
        return _answer(request, project, status.HTTP_201_CREATED)

    @extend_schema(operation_id="projects_get", summary="One project", tags=["projects"])
    def retrieve(self, request: Request, project_id: UUID) -> Response:
        """The project with its folder, and one's role in it."""
        return _answer(request, get_project(person(request), Action.VIEW, project_id))

    @extend_schema(
        operation_id="projects_change",
        summary="Rename a project",
        tags=["projects"],
        request=ProjectChangeSerializer,
        responses=ProjectSerializer,
    )
    def partial_update(self, request: Request, project_id: UUID) -> Response:
        """The project has the new name and purpose."""
        body = ProjectChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return _answer(request, services.rename_project(person(request), project_id, **body.validated_data))

    @extend_schema(
        operation_id="projects_archive",
        summary="Archive a project",
        tags=["projects"],
        request=None,
        responses=ProjectSerializer,
    )
    def archive(self, request: Request, project_id: UUID) -> Response:
        """The project can be read, and nothing in it changes."""
        return _answer(request, services.archive_project(person(request), project_id))

    @extend_schema(
        operation_id="projects_restore",
        summary="Restore a project",
        tags=["projects"],
        request=None,
        responses=ProjectSerializer,
    )
    def restore(self, request: Request, project_id: UUID) -> Response:
        """An archived project can be worked in again."""
        return _answer(request, services.restore_project(person(request), project_id))

    @extend_schema(
        operation_id="projects_clone",
        summary="Copy a project",
        tags=["projects"],
        request=CloneSerializer,
        responses={201: ProjectSerializer},
    )
    def clone(self, request: Request, project_id: UUID) -> Response:
        """A new project of one's own with a copy of the files; they are copied while ``folder.state`` is preparing."""
        body = CloneSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        project = open_project(person(request), source=str(project_id), **body.validated_data)
        return _answer(request, project, status.HTTP_201_CREATED)


def _described(user: User) -> QuerySet[Project]:
    """Projects with their folder and the role of ``user``, in one query."""
    return Project.objects.visible_to(user).select_related("folder").with_role(user)


def _answer(request: Request, project: Project, code: int = status.HTTP_200_OK) -> Response:
    shown = _described(person(request)).get(pk=project.pk)
    headers = {"Location": f"/api/v1/projects/{project.pk}/"} if code == status.HTTP_201_CREATED else {}
    return Response(ProjectSerializer(shown).data, status=code, headers=headers)
