"""REST: uploads are begun and looked after here; their bytes go to the door."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from common.errors import NotFound
from projects.permissions import get_project
from projects.roles import Action
from storage.models import Upload
from storage.serializers import (
    EntrySerializer,
    FinishSerializer,
    NewUploadSerializer,
    OpenUploadsSerializer,
    UploadTicketSerializer,
)
from storage.services import uploads
from storage.services.files import stat_file
from storage.services.folders import folder_of


class UploadViewSet(GenericViewSet):
    """Files on their way into a folder."""

    serializer_class = OpenUploadsSerializer
    pagination_class = None

    @extend_schema(operation_id="uploads_list", summary="Unfinished uploads", tags=["uploads"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """The project's unfinished uploads and how many bytes of each are here."""
        found = uploads.open_uploads(person(request), project_id)
        return Response(OpenUploadsSerializer({"results": found}).data)

    @extend_schema(
        operation_id="uploads_create",
        summary="Begin an upload",
        tags=["uploads"],
        request=NewUploadSerializer,
        responses={201: UploadTicketSerializer},
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """The address to which the bytes are sent with tus 1.0.0 (``PATCH`` with ``Upload-Offset``).

        Room and name are checked now: nothing needs to be sent to learn a refusal.
        """
        body = NewUploadSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        ticket = uploads.begin_upload(person(request), project_id, **body.validated_data)
        headers = {"Location": ticket.url}
        return Response(UploadTicketSerializer(ticket).data, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(operation_id="uploads_cancel", summary="Cancel an upload", tags=["uploads"], responses={204: None})
    def destroy(self, request: Request, project_id: UUID, upload_id: UUID) -> Response:
        """The upload has ended and its bytes are gone."""
        _check_belongs(request, project_id, upload_id)
        uploads.cancel_upload(person(request), upload_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="uploads_finish",
        summary="Place a whole upload under another name",
        tags=["uploads"],
        request=FinishSerializer,
        responses=EntrySerializer,
    )
    def finish(self, request: Request, project_id: UUID, upload_id: UUID) -> Response:
        """For an upload that is whole but whose name was taken meanwhile: it is the file ``path`` now."""
        body = FinishSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        _check_belongs(request, project_id, upload_id)
        path = uploads.finish_as(person(request), upload_id, **body.validated_data)
        folder = folder_of(get_project(person(request), Action.VIEW, project_id))
        return Response(EntrySerializer(stat_file(folder, path)).data)


def _check_belongs(request: Request, project_id: UUID, upload_id: UUID) -> None:
    project = get_project(person(request), Action.VIEW, project_id)
    if not Upload.objects.filter(pk=upload_id, folder__project=project).exists():
        raise NotFound("There is no such upload.", code="upload_not_found")
