"""REST: taking access away, with a look at what of it runs now."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import person
from jobs.serializers import EndingSerializer, RemovalQuerySerializer, RunningQuerySerializer
from jobs.services import access
from projects.api.grants import GrantViewSet
from projects.api.members import MemberViewSet


class ProjectMemberViewSet(MemberViewSet):
    """Members of a project; taking one away may cancel what they run."""

    @extend_schema(
        operation_id="members_removal",
        summary="What removing a member would end",
        tags=["projects"],
        responses=EndingSerializer,
    )
    def removal(self, request: Request, project_id: UUID, user_id: UUID) -> Response:
        """Who loses what, and which jobs, uploads and imports of theirs are under way; nothing is changed."""
        return Response(EndingSerializer(access.what_ends(person(request), project_id, member=user_id)).data)

    @extend_schema(
        operation_id="members_remove",
        summary="Remove a member",
        tags=["projects"],
        parameters=[RemovalQuerySerializer],
        responses={204: None},
    )
    def destroy(self, request: Request, project_id: UUID, user_id: UUID) -> Response:
        """The person is no member any more; pages, API, tokens and upload addresses refuse them from now on.

        What their groups give them stays. Their running jobs finish, or are cancelled with `running=cancel`.
        """
        access.remove_member(person(request), project_id, user_id, **_query(RemovalQuerySerializer, request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="projects_leave",
        summary="Leave a project",
        tags=["projects"],
        parameters=[RunningQuerySerializer],
        request=None,
        responses={204: None},
    )
    def leave(self, request: Request, project_id: UUID) -> Response:
        """Who asks is no member any more."""
        access.leave_project(person(request), project_id, **_query(RunningQuerySerializer, request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProjectGrantViewSet(GrantViewSet):
    """Roles of groups; taking one away may cancel what its people run."""

    @extend_schema(
        operation_id="grants_removal",
        summary="What removing a group's role would end",
        tags=["projects"],
        responses=EndingSerializer,
    )
    def removal(self, request: Request, project_id: UUID, grant_id: UUID) -> Response:
        """Who loses what, and which jobs, uploads and imports of theirs are under way; nothing is changed."""
        return Response(EndingSerializer(access.what_ends(person(request), project_id, grant=grant_id)).data)

    @extend_schema(
        operation_id="grants_remove",
        summary="Take a group's role away",
        tags=["projects"],
        parameters=[RemovalQuerySerializer],
        responses={204: None},
    )
    def destroy(self, request: Request, project_id: UUID, grant_id: UUID) -> Response:
        """The group has the role no more, for everybody and at once; who has another reason keeps that one."""
        access.remove_grant(person(request), project_id, grant_id, **_query(RemovalQuerySerializer, request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _query(reader: Any, request: Request) -> dict[str, Any]:
    query = reader(data=request.query_params)
    query.is_valid(raise_exception=True)
    found: dict[str, Any] = query.validated_data
    return found
