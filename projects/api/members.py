"""REST: a project's people."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from projects import services
from projects.models import Membership
from projects.permissions import get_project
from projects.roles import Action
from projects.serializers import MemberChangeSerializer, MemberSerializer, NewMemberSerializer


class MemberViewSet(GenericViewSet):
    """Who may do what in a project."""

    queryset = Membership.objects.select_related("user", "granted_by")
    serializer_class = MemberSerializer

    @extend_schema(operation_id="members_list", summary="Members of a project", tags=["projects"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """All members, newest first; also those whose end has passed."""
        project = get_project(person(request), Action.VIEW, project_id)
        page = self.paginate_queryset(self.get_queryset().filter(project=project))
        return self.get_paginated_response(MemberSerializer(page, many=True).data)

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
        return Response(MemberSerializer(member).data, status=status.HTTP_201_CREATED)

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
        return Response(MemberSerializer(member).data)

    @extend_schema(operation_id="members_remove", summary="Remove a member", tags=["projects"], responses={204: None})
    def destroy(self, request: Request, project_id: UUID, user_id: UUID) -> Response:
        """The person is no member any more."""
        services.remove_member(person(request), project_id, user_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="projects_leave", summary="Leave a project", tags=["projects"], request=None, responses={204: None}
    )
    def leave(self, request: Request, project_id: UUID) -> Response:
        """Who asks is no member any more."""
        services.leave_project(person(request), project_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
