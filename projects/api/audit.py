"""REST: a project's trail, and the gateway's own."""

from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.operators import check_operator
from common.pagination import NewestByNumber
from projects.download import trail_file
from projects.models import AuditEvent, Project
from projects.permissions import get_project
from projects.roles import Action
from projects.serializers import AuditEventSerializer, TrailFileQuerySerializer, TrailQuerySerializer
from projects.trail import FORMS, Asked, find

FILES = {(200, kind.partition(";")[0]): OpenApiResponse(OpenApiTypes.STR, "The events.") for kind in FORMS.values()}


class AuditViewSet(GenericViewSet):
    """Trails: who changed what."""

    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    pagination_class = NewestByNumber

    @extend_schema(
        operation_id="audit_list", summary="Who changed what", tags=["projects"], parameters=[TrailQuerySerializer]
    )
    def list(self, request: Request, project_id: UUID) -> Response:
        """Changes of people and state, newest first."""
        return self._page(request, get_project(person(request), Action.VIEW, project_id))

    @extend_schema(
        operation_id="audit_export",
        summary="The trail as a file",
        tags=["projects"],
        parameters=[TrailFileQuerySerializer],
        responses=FILES,
    )
    def export(self, request: Request, project_id: UUID) -> HttpResponseBase:
        """All events that are asked for, oldest first: CSV for people, JSON lines to compute the digests again."""
        return self._file(request, get_project(person(request), Action.VIEW, project_id))

    @extend_schema(
        operation_id="gateway_audit_list",
        summary="What operators changed",
        tags=["operators"],
        parameters=[TrailQuerySerializer],
    )
    def list_own(self, request: Request) -> Response:
        """Changes of accounts and of the gateway itself, newest first; operators only."""
        check_operator(person(request))
        return self._page(request, None)

    @extend_schema(
        operation_id="gateway_audit_export",
        summary="The gateway's trail as a file",
        tags=["operators"],
        parameters=[TrailFileQuerySerializer],
        responses=FILES,
    )
    def export_own(self, request: Request) -> HttpResponseBase:
        """All events of the gateway itself that are asked for, oldest first; operators only."""
        check_operator(person(request))
        return self._file(request, None)

    def _page(self, request: Request, project: Project | None) -> Response:
        asked = Asked(**_read(TrailQuerySerializer(data=request.query_params)))
        page = self.paginate_queryset(find(project, asked))
        return self.get_paginated_response(AuditEventSerializer(page, many=True).data)

    def _file(self, request: Request, project: Project | None) -> HttpResponseBase:
        words = _read(TrailFileQuerySerializer(data=request.query_params))
        form = words.pop("form")
        return trail_file(request._request, find(project, Asked(**words)), form=form)


def _read(query: Serializer) -> dict:
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)
