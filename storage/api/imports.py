"""REST: files are brought from outside in the background; each import is a resource to watch."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from common.pagination import OldestByNumber
from storage.api.files import AnyMedia
from storage.import_serializers import (
    FilesQuerySerializer,
    ImportFileSerializer,
    ImportSerializer,
    NewImportSerializer,
    StartSerializer,
)
from storage.imports.entry import Entry
from storage.models import Import, ImportFile
from storage.services import imports


class ImportViewSet(GenericViewSet):
    """Files brought from a Nextcloud, a web server or an S3 bucket."""

    queryset = Import.objects.none()
    serializer_class = ImportSerializer

    @extend_schema(operation_id="imports_list", summary="Imports", tags=["imports"])
    def list(self, request: Request, project_id: UUID) -> Response:
        """The project's imports, newest first. No secret is told."""
        found = self.paginate_queryset(imports.imports_of(person(request), project_id))
        return self.get_paginated_response(ImportSerializer(found, many=True).data)

    @extend_schema(
        operation_id="imports_create",
        summary="Look at a source to import from",
        tags=["imports"],
        request=NewImportSerializer,
        responses={202: ImportSerializer},
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """A worker lists the source: watch `state` until it is `listed`, then see what comes, and `start/` it."""
        body = NewImportSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        words: dict[str, Any] = dict(body.validated_data)
        entry = _entry(words)
        begins = words.pop("start")
        made = imports.make_import(person(request), project_id, entry=entry, starts_itself=begins, **words)
        headers = {"Location": f"/api/v1/projects/{project_id}/imports/{made.pk}/"}
        return Response(ImportSerializer(made).data, status=status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(operation_id="imports_get", summary="One import", tags=["imports"])
    def retrieve(self, request: Request, project_id: UUID, import_id: UUID) -> Response:
        """How far it is: files, bytes, and bytes in a second."""
        return Response(ImportSerializer(imports.import_of(person(request), project_id, import_id)).data)

    @extend_schema(
        operation_id="imports_start",
        summary="Start an import, or go on",
        tags=["imports"],
        request=StartSerializer,
        responses={202: ImportSerializer},
    )
    def start(self, request: Request, project_id: UUID, import_id: UUID) -> Response:
        """A listed import begins, a paused one goes on, and one that stopped or left files behind tries again.

        Before the first byte: 413 `quota_exceeded` when it does not fit. What was forgotten is given again.
        """
        body = StartSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        run = imports.start_import(person(request), project_id, import_id, _entry(dict(body.validated_data)))
        return Response(ImportSerializer(run).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        operation_id="imports_pause",
        summary="Pause an import",
        tags=["imports"],
        request=None,
        responses=ImportSerializer,
    )
    def pause(self, request: Request, project_id: UUID, import_id: UUID) -> Response:
        """It rests, with what has come and its room, until it is started again."""
        return Response(ImportSerializer(imports.pause_import(person(request), project_id, import_id)).data)

    @extend_schema(
        operation_id="imports_cancel",
        summary="Cancel an import",
        tags=["imports"],
        request=None,
        responses=ImportSerializer,
    )
    def cancel(self, request: Request, project_id: UUID, import_id: UUID) -> Response:
        """Files that are whole stay; the rest does not come, and the password is forgotten."""
        return Response(ImportSerializer(imports.cancel_import(person(request), project_id, import_id)).data)


class ImportFileViewSet(GenericViewSet):
    """The files of an import."""

    queryset = ImportFile.objects.none()
    serializer_class = ImportFileSerializer
    pagination_class = OldestByNumber

    @extend_schema(
        operation_id="imports_files", summary="Files of an import", tags=["imports"], parameters=[FilesQuerySerializer]
    )
    def list(self, request: Request, project_id: UUID, import_id: UUID) -> Response:
        """Every file with its state, and what is wrong where it failed; `?state=failed` for these alone."""
        query = FilesQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = imports.files_of(person(request), project_id, import_id, query.validated_data.get("state", ""))
        return self.get_paginated_response(ImportFileSerializer(self.paginate_queryset(found), many=True).data)


class ImportManifestViewSet(GenericViewSet):
    """Checksums of what came."""

    pagination_class = None
    content_negotiation_class = AnyMedia

    @extend_schema(
        operation_id="imports_manifest",
        summary="Manifest of an import",
        tags=["imports"],
        responses={(200, "text/plain"): OpenApiResponse(OpenApiTypes.STR, "One line a file.")},
    )
    def retrieve(self, request: Request, project_id: UUID, import_id: UUID) -> HttpResponse:
        """The SHA-256 of every file as it came, below the target folder, as `sha256sum --check` reads it."""
        text = imports.manifest_of(person(request), project_id, import_id)
        return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _entry(words: dict[str, Any]) -> Entry:
    """The entry, taken out of ``words``."""
    return Entry(**{name: words.pop(name) for name in ("addresses", "user", "password", "region")})
