"""REST for operators: POSIX access lists."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.serializers import Body
from storage.services import acls


class DriftSerializer(serializers.Serializer):
    """A folder whose access lists differ from the roles."""

    project = serializers.UUIDField(source="folder.project_id")
    name = serializers.CharField(source="folder.project.name")
    differences = serializers.ListField(child=serializers.CharField())
    unknown = serializers.ListField(child=serializers.CharField())


class PosixAccountSerializer(Body):
    """A person's account on the storage; empty for none."""

    posix_account = serializers.CharField(max_length=32, allow_blank=True)


class AclViewSet(GenericViewSet):
    """POSIX access lists, for operators; to others this is not there."""

    serializer_class = DriftSerializer
    pagination_class = None

    @extend_schema(
        operation_id="acls_list",
        summary="Folders that differ from the roles",
        tags=["operators"],
        responses=DriftSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """Each mirrored folder that differs now; the disk is looked at."""
        return Response(DriftSerializer(acls.drifted(person(request)), many=True).data)

    @extend_schema(operation_id="acls_repair", summary="Repair a folder", tags=["operators"], request=None)
    def repair(self, request: Request, project_id: UUID) -> Response:
        """The folder's access lists say what the roles say; what still differs is in the answer."""
        return Response(DriftSerializer(acls.repair(person(request), project_id)).data)

    @extend_schema(
        operation_id="acls_account",
        summary="Set a person's POSIX account",
        tags=["operators"],
        request=PosixAccountSerializer,
        responses=PosixAccountSerializer,
    )
    def account(self, request: Request, user_id: UUID) -> Response:
        """The person has this account on storage sites that mirror roles."""
        body = PosixAccountSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = acls.set_posix_account(person(request), user_id, **body.validated_data)
        return Response(PosixAccountSerializer(found).data)
