"""REST for operators: storage sites."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.operators import check_operator
from storage.models import StorageSite
from storage.remote_serializers import (
    ChangeStorageSiteSerializer,
    NewStorageSiteSerializer,
    StorageSiteSerializer,
)
from storage.services import sites

STORE = OpenApiParameter("store", str, OpenApiParameter.PATH, description="The storage site's name.")


class StorageSiteViewSet(GenericViewSet):
    """Storage sites, for operators; to others this is not there."""

    queryset = StorageSite.objects.none()
    serializer_class = StorageSiteSerializer
    pagination_class = None

    @extend_schema(
        operation_id="storage_sites_list",
        summary="Storage sites",
        tags=["operators"],
        responses=StorageSiteSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """All storage sites, with what the last probe of each found."""
        return Response(StorageSiteSerializer(sites.sites(person(request)), many=True).data)

    @extend_schema(
        operation_id="storage_sites_add",
        summary="Add a storage site",
        tags=["operators"],
        request=NewStorageSiteSerializer,
        responses={201: StorageSiteSerializer},
    )
    def create(self, request: Request) -> Response:
        """A site with a door of its own. It is used once a probe has found it right."""
        check_operator(person(request))
        body = NewStorageSiteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        made = sites.save_site(person(request), given.pop("name"), given, new=True)
        return Response(StorageSiteSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="storage_sites_get",
        summary="One storage site",
        tags=["operators"],
        parameters=[STORE],
        responses=StorageSiteSerializer,
    )
    def retrieve(self, request: Request, store: str) -> Response:
        """The site and what its last probe found."""
        return Response(StorageSiteSerializer(sites.site(person(request), store)).data)

    @extend_schema(
        operation_id="storage_sites_change",
        summary="Change a storage site",
        tags=["operators"],
        parameters=[STORE],
        request=ChangeStorageSiteSerializer,
        responses=StorageSiteSerializer,
    )
    def partial_update(self, request: Request, store: str) -> Response:
        """The site is as told; it has to be probed again. 409 `site_in_use` for kind and prefix once it is used."""
        check_operator(person(request))
        body = ChangeStorageSiteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(StorageSiteSerializer(sites.save_site(person(request), store, dict(body.validated_data))).data)

    @extend_schema(
        operation_id="storage_sites_probe",
        summary="Probe a storage site",
        tags=["operators"],
        parameters=[STORE],
        request=None,
        responses={202: StorageSiteSerializer},
    )
    def probe(self, request: Request, store: str) -> Response:
        """The site is being probed, above all whether its credentials open no more than they say."""
        found = sites.start_probe(person(request), store)
        return Response(StorageSiteSerializer(found).data, status=status.HTTP_202_ACCEPTED)
