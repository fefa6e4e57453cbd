"""REST: a project's people."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.models import User
from common.pagination import ByName
from projects import services
from projects.models import Membership
from projects.permissions import get_project
from projects.roles import Action
from projects.serializers import MemberChangeSerializer, MemberSerializer, NewMemberSerializer

SEARCH = OpenApiParameter("search", str, description="Only people whose user name or name holds this.")


class MemberViewSet(GenericViewSet):
    """Who may do what in a project."""

    queryset = User.objects.all()
    serializer_class = MemberSerializer
    pagination_class = ByName

    @extend_schema(
        operation_id="members_list", summary="Who is in a project, and why", tags=["projects"], parameters=[SEARCH]
    )
    def list(self, request: Request, project_id: UUID) -> Response:
        """Everybody with a role, of their own or by a group, by user name; also members whose end has passed."""
        project = get_project(person(request), Action.VIEW, project_id)
        search = request.query_params.get("search", "")
        page = self.paginate_queryset(services.people_in(person(request), project_id, search=search))
        found = services.described(project, page or [])
        return self.get_paginated_response(MemberSerializer(found, many=True).data)

    @extend_schema(
        operation_id="members_add",
        summary="Add a member",
        tags=["projects"],
        request=NewMemberSerializer,
        responses={201: MemberSerializer},
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """The person is a member. Needs the role manager; only an owner makes owners."""
        body = NewMemberSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        member = services.add_member(person(request), project_id, **body.validated_data)
        return Response(_told(member), status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="members_change",
        summary="Change a member's role",
        tags=["projects"],
        request=MemberChangeSerializer,
        responses=MemberSerializer,
    )
    def update(self, request: Request, project_id: UUID, user_id: UUID) -> Response:
        """The member has this role until then. 409 ``last_owner`` keeps a project from being without an owner."""
        body = MemberChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        member = services.change_member(person(request), project_id, user_id, **body.validated_data)
        return Response(_told(member))


def _told(member: Membership) -> dict[str, Any]:
    told: dict[str, Any] = MemberSerializer(services.one_described(member.project, member.user)).data
    return told
