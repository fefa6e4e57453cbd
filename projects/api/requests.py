"""REST: asking for access, and answering."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from projects import services
from projects.models import AccessRequest
from projects.serializers import (
    AccessRequestSerializer,
    ApproveSerializer,
    DeclineSerializer,
    MemberSerializer,
    NewRequestSerializer,
    OwnRequestSerializer,
)


class OwnRequestViewSet(GenericViewSet):
    """What one asks for oneself."""

    queryset = AccessRequest.objects.none()
    serializer_class = OwnRequestSerializer

    @extend_schema(operation_id="my_requests_list", summary="What I have asked for", tags=["people"])
    def list(self, request: Request) -> Response:
        """One's own requests, newest first."""
        page = self.paginate_queryset(services.my_requests(person(request)))
        return self.get_paginated_response(OwnRequestSerializer(page, many=True).data)

    @extend_schema(
        operation_id="my_requests_make",
        summary="Ask for access to a project",
        tags=["people"],
        request=NewRequestSerializer,
        responses={201: OwnRequestSerializer},
    )
    def create(self, request: Request) -> Response:
        """The request waits for a manager. The answer is the same whether there is such a project or not."""
        body = NewRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        made = services.request_access(person(request), given["project"], purpose=given["purpose"])
        return Response(OwnRequestSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="my_requests_withdraw", summary="Withdraw a request", tags=["people"], responses={204: None}
    )
    def destroy(self, request: Request, own_request_id: UUID) -> Response:
        """The request no longer waits."""
        services.withdraw_request(person(request), own_request_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProjectRequestViewSet(GenericViewSet):
    """What others ask of a project."""

    queryset = AccessRequest.objects.none()
    serializer_class = AccessRequestSerializer

    @extend_schema(operation_id="requests_list", summary="Who asks for access", tags=["projects"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """All requests, newest first; also those that were answered."""
        page = self.paginate_queryset(services.requests_to(person(request), project_id))
        return self.get_paginated_response(AccessRequestSerializer(page, many=True).data)

    @extend_schema(
        operation_id="requests_approve",
        summary="Let somebody in",
        tags=["projects"],
        request=ApproveSerializer,
        responses=MemberSerializer,
    )
    def approve(self, request: Request, project_id: UUID, request_id: UUID) -> Response:
        """Who asked is a member."""
        body = ApproveSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        member = services.approve_request(person(request), project_id, request_id, **body.validated_data)
        told: Any = MemberSerializer(services.one_described(member.project, member.user)).data
        return Response(told)

    @extend_schema(
        operation_id="requests_decline",
        summary="Decline a request",
        tags=["projects"],
        request=DeclineSerializer,
        responses={204: None},
    )
    def decline(self, request: Request, project_id: UUID, request_id: UUID) -> Response:
        """Who asked is told so, with the word that was given."""
        body = DeclineSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.decline_request(person(request), project_id, request_id, **body.validated_data)
        return Response(status=status.HTTP_204_NO_CONTENT)
