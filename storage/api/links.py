"""REST: transfer links are made and looked after here; what they open is served by the door."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from common.pagination import NewestByNumber
from storage.models import LinkAccess, TransferLink
from storage.serializers import (
    LinkAccessSerializer,
    LinkSerializer,
    NewKeyAnswerSerializer,
    NewKeySerializer,
    NewLinkAnswerSerializer,
    NewLinkSerializer,
)
from storage.services import link_keys, links


class LinkViewSet(GenericViewSet):
    """Temporary, narrowed credentials to a part of the folder."""

    queryset = TransferLink.objects.none()
    serializer_class = LinkSerializer

    @extend_schema(operation_id="links_list", summary="Transfer links", tags=["links"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """The project's links, newest first, with their traffic so far. No secret is told."""
        found = self.paginate_queryset(links.links_of(person(request), project_id))
        return self.get_paginated_response(LinkSerializer(found, many=True).data)

    @extend_schema(
        operation_id="links_create",
        summary="Make a transfer link",
        tags=["links"],
        request=NewLinkSerializer,
        responses={201: NewLinkAnswerSerializer},
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """The address, its token, and the commands to use them. Rights are at most those of who asks, now and later."""
        body = NewLinkSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = links.create_link(person(request), project_id, **body.validated_data)
        headers = {"Location": f"/api/v1/projects/{project_id}/links/{made.link.pk}/"}
        return Response(NewLinkAnswerSerializer(made).data, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(operation_id="links_get", summary="One transfer link", tags=["links"])
    def retrieve(self, request: Request, project_id: UUID, link_id: UUID) -> Response:
        """The link and its traffic so far."""
        return Response(LinkSerializer(links.link_of(person(request), project_id, link_id)).data)

    @extend_schema(
        operation_id="links_revoke", summary="Revoke a transfer link", tags=["links"], responses={200: LinkSerializer}
    )
    def destroy(self, request: Request, project_id: UUID, link_id: UUID) -> Response:
        """The link is of no use any more; what it is moving now stops within a second."""
        return Response(LinkSerializer(links.revoke_link(person(request), project_id, link_id)).data)


class LinkKeyViewSet(GenericViewSet):
    """Keys by which a link is used with rsync and SFTP."""

    queryset = TransferLink.objects.none()
    serializer_class = NewKeySerializer

    @extend_schema(
        operation_id="links_key",
        summary="Make a key for rsync and SFTP",
        tags=["links"],
        request=NewKeySerializer,
        responses={201: NewKeyAnswerSerializer},
    )
    def create(self, request: Request, project_id: UUID, link_id: UUID) -> Response:
        """A certificate for a key of yours or a new one, that ends with the link, and the commands to use it."""
        body = NewKeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = link_keys.make_key(person(request), project_id, link_id, **body.validated_data)
        return Response(NewKeyAnswerSerializer(made).data, status=status.HTTP_201_CREATED)


class LinkLogViewSet(GenericViewSet):
    """What was done by a link."""

    queryset = LinkAccess.objects.none()
    serializer_class = LinkAccessSerializer
    pagination_class = NewestByNumber

    @extend_schema(operation_id="links_log", summary="The access log of a link", tags=["links"])
    def list(self, request: Request, project_id: UUID, link_id: UUID) -> Response:
        """What was done, or refused, by the link, newest first; for its issuer and who manages the project."""
        found = self.paginate_queryset(links.link_log(person(request), project_id, link_id))
        return self.get_paginated_response(LinkAccessSerializer(found, many=True).data)
