"""REST: roles that groups have in a project, and the groups that one can see."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from projects import services
from projects.models import GroupGrant
from projects.permissions import get_project
from projects.roles import Action
from projects.serializers import GrantChangeSerializer, GrantPreviewSerializer, GrantSerializer, NewGrantSerializer

DRY_RUN = OpenApiParameter("dry_run", bool, description="Nothing is changed; the answer is what would be.")


class GrantViewSet(GenericViewSet):
    """Roles of groups in a project."""

    queryset = GroupGrant.objects.all()
    serializer_class = GrantSerializer

    @extend_schema(operation_id="grants_list", summary="Groups with a role in a project", tags=["projects"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """All grants, newest first; also those whose end has passed."""
        project = get_project(person(request), Action.VIEW, project_id)
        page = self.paginate_queryset(_grants().filter(project=project))
        return self.get_paginated_response(GrantSerializer(page, many=True).data)

    @extend_schema(
        operation_id="grants_add",
        summary="Give a group a role",
        tags=["projects"],
        parameters=[DRY_RUN],
        request=NewGrantSerializer,
        responses={
            201: GrantSerializer,
            200: OpenApiResponse(GrantPreviewSerializer, "With `dry_run=1`: who would get what."),
        },
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """Who is in the group has the role, at once and until its end; those who come later as well."""
        body = NewGrantSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wish = services.Wish(**body.validated_data)
        if request.query_params.get("dry_run", "") in {"1", "true"}:
            return Response(GrantPreviewSerializer(services.preview_grant(person(request), project_id, wish)).data)
        grant = services.grant_group(person(request), project_id, wish)
        return Response(self._told(grant), status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="grants_change",
        summary="Change a group's role",
        tags=["projects"],
        request=GrantChangeSerializer,
        responses=GrantSerializer,
    )
    def update(self, request: Request, project_id: UUID, grant_id: UUID) -> Response:
        """The group has this role until then."""
        body = GrantChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(self._told(services.change_grant(person(request), project_id, grant_id, **body.validated_data)))

    def _told(self, grant: GroupGrant) -> object:
        return GrantSerializer(_grants().get(pk=grant.pk)).data


def _grants() -> QuerySet[GroupGrant]:
    return GroupGrant.objects.with_people().select_related("group", "granted_by")
