"""REST: trust in bytes: room, checksums, manifests, checks, datasets."""

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from storage.api.files import AnyMedia
from storage.serializers import (
    CheckSerializer,
    ChecksSerializer,
    DatasetSerializer,
    DatasetsSerializer,
    DetailsSerializer,
    PathSerializer,
    UnlockSerializer,
    UsageSerializer,
    WhereSerializer,
)
from storage.services import trust


class UsageViewSet(GenericViewSet):
    """Room of a project."""

    serializer_class = UsageSerializer
    pagination_class = None

    @extend_schema(operation_id="usage_get", summary="Room, and when it is used up", tags=["files"])
    def retrieve(self, request: Request, project_id: UUID) -> Response:
        """What is used, kept for open uploads and left, with a warning level and a forecast."""
        return Response(UsageSerializer(trust.usage(person(request), project_id)).data)


class DetailsViewSet(GenericViewSet):
    """One file's details."""

    serializer_class = DetailsSerializer
    pagination_class = None

    @extend_schema(
        operation_id="files_details", summary="Details of a file", tags=["files"], parameters=[PathSerializer]
    )
    def retrieve(self, request: Request, project_id: UUID) -> Response:
        """Size, checksum and when it was last checked, the job that made it, the dataset that it is in."""
        query = PathSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = trust.details(person(request), project_id, query.validated_data["path"])
        return Response(DetailsSerializer(found).data)


class ManifestViewSet(GenericViewSet):
    """Checksums of a folder as a file."""

    pagination_class = None
    content_negotiation_class = AnyMedia

    @extend_schema(
        operation_id="files_manifest",
        summary="Manifest of a folder",
        tags=["files"],
        parameters=[WhereSerializer],
        responses={(200, "text/plain"): OpenApiResponse(OpenApiTypes.STR, "One line a file.")},
    )
    def retrieve(self, request: Request, project_id: UUID) -> HttpResponse:
        """The SHA-256 of every file below `path`, in the form of `sha256sum` and BagIt's `manifest-sha256.txt`.

        409 `sums_missing` when a file has none yet: start a check of the folder.
        """
        query = WhereSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        text = trust.manifest(person(request), project_id, query.validated_data["path"])
        return HttpResponse(text, content_type="text/plain; charset=utf-8")


class CheckViewSet(GenericViewSet):
    """Files read again."""

    serializer_class = CheckSerializer
    pagination_class = None

    @extend_schema(operation_id="checks_list", summary="Checks", tags=["files"], responses=ChecksSerializer)
    def list(self, request: Request, project_id: UUID) -> Response:
        """The newest 20 checks of the project."""
        found = trust.check_list(person(request), project_id)
        return Response(ChecksSerializer({"results": found}).data)

    @extend_schema(
        operation_id="checks_create",
        summary="Check files",
        tags=["files"],
        request=WhereSerializer,
        responses={202: CheckSerializer},
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """Everything at `path` is read again by a worker and compared with its checksums; watch the check's `state`."""
        body = WhereSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = trust.start_check(person(request), project_id, body.validated_data["path"])
        return Response(CheckSerializer(made).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(operation_id="checks_get", summary="One check", tags=["files"])
    def retrieve(self, request: Request, project_id: UUID, check_id: UUID) -> Response:
        """How far it is, and what it found."""
        return Response(CheckSerializer(trust.get_check(person(request), project_id, check_id)).data)


class DatasetViewSet(GenericViewSet):
    """Folders that were marked complete."""

    serializer_class = DatasetSerializer
    pagination_class = None

    @extend_schema(operation_id="datasets_list", summary="Datasets", tags=["files"], responses=DatasetsSerializer)
    def list(self, request: Request, project_id: UUID) -> Response:
        """The project's datasets, newest first, with those that were unlocked again."""
        found = trust.datasets(person(request), project_id)
        return Response(DatasetsSerializer({"results": found}).data)

    @extend_schema(
        operation_id="datasets_create",
        summary="Mark a folder complete",
        tags=["files"],
        request=PathSerializer,
        responses={201: DatasetSerializer},
    )
    def create(self, request: Request, project_id: UUID) -> Response:
        """From now on nothing in the folder changes; `sealed_at` tells when its manifest is there."""
        body = PathSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = trust.mark_complete(person(request), project_id, body.validated_data["path"])
        return Response(DatasetSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="datasets_unlock",
        summary="Unlock a dataset",
        tags=["files"],
        request=UnlockSerializer,
        responses=DatasetSerializer,
    )
    def unlock(self, request: Request, project_id: UUID, dataset_id: UUID) -> Response:
        """The folder can be changed again; who decided and why stays in the audit trail."""
        body = UnlockSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = trust.unlock(person(request), project_id, dataset_id, reason=body.validated_data["reason"])
        return Response(DatasetSerializer(found).data)
