"""REST: a project's folders at sites that have doors of their own."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from storage.models import RemoteFolder, RemoteLink
from storage.remote_serializers import (
    NewRemoteFolderSerializer,
    NewRemoteLinkAnswerSerializer,
    NewRemoteLinkSerializer,
    RemoteFilesQuerySerializer,
    RemoteFolderSerializer,
    RemoteFoldersSerializer,
    RemoteLinkSerializer,
    RemotePageSerializer,
)
from storage.services import remote


class RemoteFolderViewSet(GenericViewSet):
    """Remote folders: attached and detached by owners, seen by all members."""

    queryset = RemoteFolder.objects.none()
    serializer_class = RemoteFolderSerializer
    pagination_class = None

    @extend_schema(
        operation_id="remote_folders_list",
        summary="Remote folders",
        tags=["remote folders"],
        responses=RemoteFoldersSerializer,
    )
    def list(self, request: Request, project_id: UUID) -> Response:
        """The project's folders at sites that have doors of their own."""
        found = remote.folders_of(person(request), project_id)
        return Response(RemoteFoldersSerializer({"results": found}).data)

    @extend_schema(
        operation_id="remote_folders_attach",
        summary="Attach a remote folder",
        tags=["remote folders"],
        request=NewRemoteFolderSerializer,
        responses={201: RemoteFolderSerializer},
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """The project has a folder at the site, made there if it was missing. 409 `already_attached`."""
        body = NewRemoteFolderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = remote.attach(person(request), project_id, **body.validated_data)
        return Response(RemoteFolderSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="remote_folders_detach",
        summary="Detach a remote folder",
        tags=["remote folders"],
        responses={200: RemoteFolderSerializer},
    )
    def destroy(self, request: Request, project_id: UUID, remote_id: UUID) -> Response:
        """The project has this folder no more. What is in it stays at the site; credentials that are out still end."""
        return Response(RemoteFolderSerializer(remote.detach(person(request), project_id, remote_id)).data)


class RemoteFileViewSet(GenericViewSet):
    """What is in a remote folder."""

    queryset = RemoteFolder.objects.none()
    serializer_class = RemotePageSerializer
    pagination_class = None

    @extend_schema(
        operation_id="remote_files_list",
        summary="List a remote folder",
        tags=["remote folders"],
        parameters=[RemoteFilesQuerySerializer],
        responses=RemotePageSerializer,
    )
    def list(self, request: Request, project_id: UUID, remote_id: UUID) -> Response:
        """A page of the folder `path`, asked from the site now. 503 when the site does not answer."""
        query = RemoteFilesQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        page = remote.list_remote(
            person(request),
            project_id,
            remote_id,
            path=asked["path"],
            cursor=asked["cursor"],
            limit=asked["page_size"],
        )
        return Response(RemotePageSerializer(page).data)


class RemoteLinkViewSet(GenericViewSet):
    """Credentials of remote sites."""

    queryset = RemoteLink.objects.none()
    serializer_class = RemoteLinkSerializer

    @extend_schema(operation_id="remote_links_list", summary="Credentials of remote sites", tags=["remote folders"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """What members were given, newest first. No secret is told."""
        found = self.paginate_queryset(remote.links_of(person(request), project_id))
        return self.get_paginated_response(RemoteLinkSerializer(found, many=True).data)

    @extend_schema(
        operation_id="remote_links_create",
        summary="Get a credential of a remote site",
        tags=["remote folders"],
        request=NewRemoteLinkSerializer,
        responses={201: NewRemoteLinkAnswerSerializer},
    )
    def create(self, request: Request, project_id: UUID, remote_id: UUID) -> Response:
        """The site's own address with a credential of the site, for exactly this path and these rights.

        No byte passes the portal, and the portal can't take it back before its end.
        """
        body = NewRemoteLinkSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = remote.create_link(person(request), project_id, remote_id, **body.validated_data)
        return Response(NewRemoteLinkAnswerSerializer(made).data, status=status.HTTP_201_CREATED)
