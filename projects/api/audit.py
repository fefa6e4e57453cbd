"""REST: a project's trail."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from common.pagination import NewestByNumber
from projects.models import AuditEvent
from projects.permissions import get_project
from projects.roles import Action
from projects.serializers import AuditEventSerializer


class AuditViewSet(GenericViewSet):
    """The trail of a project."""

    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    pagination_class = NewestByNumber

    @extend_schema(operation_id="audit_list", summary="Who changed what", tags=["projects"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """Changes of people and state, newest first."""
        project = get_project(person(request), Action.VIEW, project_id)
        page = self.paginate_queryset(self.get_queryset().filter(project=project))
        return self.get_paginated_response(AuditEventSerializer(page, many=True).data)
