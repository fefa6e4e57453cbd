"""REST: the files of a project's folder."""

from collections.abc import Iterable
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from storage.ordering import Order
from storage.serializers import (
    ContentQuerySerializer,
    EmptiedSerializer,
    EntrySerializer,
    FilesQuerySerializer,
    ListingSerializer,
    MoveSerializer,
    PathSerializer,
    PathsSerializer,
    PreviewQuerySerializer,
    RestoreSerializer,
    TrashedSerializer,
    TrashSerializer,
)
from storage.services import files
from storage.streaming import content_response, file_response, zip_response

PATHS = OpenApiParameter("path", str, many=True, required=True, description="May be given again for each choice.")


class AnyMedia(BaseContentNegotiation):
    """What is asked for decides the type of the answer, not ``Accept``; errors are problem documents."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first renderer, whatever the client accepts."""
        first = next(iter(renderers))
        return first, first.media_type or ""


class FileViewSet(GenericViewSet):
    """Browse and change the folder. Paths are relative to it, with ``/`` between the names."""

    serializer_class = ListingSerializer
    pagination_class = None

    @extend_schema(
        operation_id="files_list", summary="List a folder", tags=["files"], parameters=[FilesQuerySerializer]
    )
    def list(self, request: Request, project_id: UUID) -> Response:
        """One page of the folder ``path`` (empty: the project's folder); ``next`` is the address of the next page.

        ``sort``, ``descending`` and ``match`` are about the whole folder. Up to 10,000 entries (that fit) are sorted;
        of more, ``ordered`` is false and they come in the disk's order. A page of ``match`` looks at 100,000 names at
        most: in larger folders it may hold few or none and still have a ``next``.
        """
        query = FilesQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        order = Order(by=asked["sort"], descending=asked["descending"], match=asked["match"])
        listing = files.list_folder(
            person(request), project_id, asked["path"], cursor=asked["cursor"], limit=asked["page_size"], order=order
        )
        follow = replace_query_param(request.build_absolute_uri(), "cursor", listing.next_cursor)
        answer = {"results": listing.entries, "next": follow if listing.next_cursor else None}
        return Response(ListingSerializer({**answer, "ordered": listing.ordered}).data)

    @extend_schema(
        operation_id="files_make_folder",
        summary="Make a folder",
        tags=["files"],
        request=PathSerializer,
        responses={201: EntrySerializer},
    )
    def make_folder(self, request: Request, project_id: UUID) -> Response:
        """A new empty folder, with the folders above it. 409 ``name_taken``."""
        body = PathSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        entry = files.make_folder(person(request), project_id, body.validated_data["path"])
        return Response(EntrySerializer(entry).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="files_move",
        summary="Move or rename",
        tags=["files"],
        request=MoveSerializer,
        responses=EntrySerializer,
    )
    def move(self, request: Request, project_id: UUID) -> Response:
        """``source`` is at ``target`` now. Nothing is overwritten: 409 ``name_taken``."""
        body = MoveSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        entry = files.move(person(request), project_id, **body.validated_data)
        return Response(EntrySerializer(entry).data)

    @extend_schema(
        operation_id="files_delete",
        summary="Delete files",
        tags=["files"],
        request=PathsSerializer,
        responses=TrashedSerializer,
    )
    def delete(self, request: Request, project_id: UUID) -> Response:
        """All paths are in the trash, or none is. ``files/restore/`` takes back until ``expires_at``."""
        body = PathsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        items = files.delete(person(request), project_id, body.validated_data["paths"])
        return Response(TrashedSerializer({"results": items}).data)

    @extend_schema(
        operation_id="files_restore",
        summary="Take back from the trash",
        tags=["files"],
        request=RestoreSerializer,
        responses=TrashSerializer,
    )
    def restore(self, request: Request, project_id: UUID) -> Response:
        """What was deleted is back where it was. 409 ``name_taken`` when something else is there."""
        body = RestoreSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        item = files.undelete(person(request), project_id, body.validated_data["trash_id"])
        return Response(TrashSerializer(item).data)


class TrashViewSet(GenericViewSet):
    """What was deleted a short while ago."""

    serializer_class = TrashedSerializer
    pagination_class = None

    @extend_schema(operation_id="trash_list", summary="What is in the trash", tags=["files"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """The newest 200 things that can be taken back."""
        items = files.trash_list(person(request), project_id)
        return Response(TrashedSerializer({"results": items}).data)

    @extend_schema(
        operation_id="trash_empty", summary="Empty the trash", tags=["files"], responses={200: EmptiedSerializer}
    )
    def destroy(self, request: Request, project_id: UUID) -> Response:
        """Everything in the trash is gone for good."""
        return Response({"removed": files.empty_trash(person(request), project_id)})


class ContentViewSet(GenericViewSet):
    """Bytes."""

    pagination_class = None
    content_negotiation_class = AnyMedia

    @extend_schema(
        operation_id="files_content",
        summary="Download a file",
        tags=["files"],
        parameters=[ContentQuerySerializer],
        responses={
            (200, "*/*"): OpenApiResponse(OpenApiTypes.BINARY, "The file."),
            (206, "*/*"): OpenApiResponse(OpenApiTypes.BINARY, "The part that Range asks for."),
        },
    )
    def content(self, request: Request, project_id: UUID) -> HttpResponseBase:
        """The file, or with ``Range`` a part of it; ``ETag`` and ``If-None-Match`` save a second download."""
        query = ContentQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        opened = files.open_file(person(request), project_id, query.validated_data["path"])
        return file_response(opened, request._request, inline=query.validated_data["inline"])

    @extend_schema(
        operation_id="files_preview",
        summary="Look at a file",
        tags=["files"],
        parameters=[PreviewQuerySerializer],
        responses={(200, "*/*"): OpenApiResponse(OpenApiTypes.ANY, "A picture, or JSON.")},
    )
    def preview(self, request: Request, project_id: UUID) -> HttpResponseBase:
        """A slice of a map or movie as PNG, a page of a table as JSON, a piece of text, and more by ``form``."""
        query = PreviewQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        looked = files.preview(person(request), project_id, **query.validated_data)
        return content_response(
            request._request, content=looked.content, content_type=looked.content_type, etag=looked.etag
        )

    @extend_schema(
        operation_id="files_zip",
        summary="Download a selection as a zip",
        tags=["files"],
        parameters=[PATHS],
        responses={(200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, "The zip.")},
    )
    def zip(self, request: Request, project_id: UUID) -> HttpResponseBase:
        """Files and folders as one zip, made while it is sent."""
        paths = request.query_params.getlist("path")
        name, size, blocks = files.zip_selection(person(request), project_id, paths)
        return zip_response(request._request, name=name, size=size, blocks=blocks)
