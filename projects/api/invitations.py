"""REST: invitations into a project."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import digest, person
from projects import services
from projects.models import Invitation
from projects.serializers import (
    AcceptedSerializer,
    AcceptSerializer,
    InvitationSerializer,
    MadeInvitationSerializer,
    NewInvitationSerializer,
)


class InvitationViewSet(GenericViewSet):
    """Invitations by a link."""

    queryset = Invitation.objects.none()
    serializer_class = InvitationSerializer

    @extend_schema(operation_id="invitations_list", summary="Invitations into a project", tags=["projects"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """All invitations, newest first; also those that were used, taken back or have ended."""
        page = self.paginate_queryset(services.invitations_of(person(request), project_id))
        return self.get_paginated_response(InvitationSerializer(page, many=True).data)

    @extend_schema(
        operation_id="invitations_make",
        summary="Invite by e-mail",
        tags=["projects"],
        request=NewInvitationSerializer,
        responses={201: MadeInvitationSerializer},
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """A link that lets one person in, once; it is sent by mail and told in this answer only."""
        body = NewInvitationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        invited = services.invite(person(request), project_id, **body.validated_data)
        return Response(MadeInvitationSerializer(invited).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="invitations_revoke", summary="Take an invitation back", tags=["projects"], responses={204: None}
    )
    def destroy(self, request: Request, project_id: UUID, invitation_id: UUID) -> Response:
        """The link can't be used any more."""
        services.revoke_invitation(person(request), project_id, invitation_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="invitations_accept",
        summary="Accept an invitation",
        tags=["projects"],
        request=AcceptSerializer,
        responses=AcceptedSerializer,
    )
    def accept(self, request: Request) -> Response:
        """Who asks is in the project, and the link is used up."""
        body = AcceptSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        member: Any = services.accept_invitation(person(request), digest(body.validated_data["code"]))
        return Response(AcceptedSerializer(member).data)
