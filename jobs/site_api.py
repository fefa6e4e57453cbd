"""REST: compute sites."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.operators import check_operator
from jobs.models import ComputeSite
from jobs.services import sites
from jobs.services.reconciling import reconcile
from jobs.site_serializers import (
    ChangeSiteSerializer,
    DrainPlanSerializer,
    DrainSerializer,
    NewSiteSerializer,
    ReconciledSerializer,
    SiteSerializer,
    SiteSettingsSerializer,
    SitesSerializer,
)

NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, description="The site's name.")
DRY_RUN = OpenApiParameter("dry_run", bool, description="Nothing is changed; the answer is what would be.")


class SiteViewSet(GenericViewSet):
    """Compute sites. Everybody signed in may see them; only operators change them."""

    serializer_class = SitesSerializer
    pagination_class = None
    queryset = ComputeSite.objects.all()

    @extend_schema(operation_id="sites_list", summary="Where jobs run", tags=["sites"])
    def list(self, request: Request) -> Response:
        """All compute sites: their queues, their health, and what may run there."""
        return Response(SitesSerializer({"results": sites.sites()}).data)

    @extend_schema(
        operation_id="sites_add",
        summary="Add a site",
        tags=["sites"],
        request=NewSiteSerializer,
        responses={201: SiteSettingsSerializer},
    )
    def create(self, request: Request) -> Response:
        """A compute site. For operators."""
        check_operator(person(request))
        body = NewSiteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        made = sites.save_site(person(request), given.pop("name"), given, new=True)
        return Response(SiteSettingsSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="sites_get", summary="One site", tags=["sites"], parameters=[NAME], responses=SiteSerializer
    )
    def retrieve(self, request: Request, name: str) -> Response:
        """The site: its queues, its health, and what may run there."""
        return Response(SiteSerializer(sites.site(name)).data)

    @extend_schema(
        operation_id="sites_change",
        summary="Change a site",
        tags=["sites"],
        parameters=[NAME],
        request=ChangeSiteSerializer,
        responses=SiteSettingsSerializer,
    )
    def partial_update(self, request: Request, name: str) -> Response:
        """The site is as told; what is left out stays. For operators."""
        check_operator(person(request))
        body = ChangeSiteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(SiteSettingsSerializer(sites.save_site(person(request), name, dict(body.validated_data))).data)

    @extend_schema(
        operation_id="sites_settings",
        summary="A site's settings",
        tags=["sites"],
        parameters=[NAME],
        responses=SiteSettingsSerializer,
    )
    def configured(self, request: Request, name: str) -> Response:
        """The site with its settings, who may use it, and what the last probe found. For operators."""
        check_operator(person(request))
        return Response(SiteSettingsSerializer(sites.site(name)).data)

    @extend_schema(
        operation_id="sites_probe",
        summary="Probe a site",
        tags=["sites"],
        parameters=[NAME],
        request=None,
        responses={202: SiteSettingsSerializer},
    )
    def probe(self, request: Request, name: str) -> Response:
        """The site is being probed; look at ``probe`` of its settings. For operators."""
        found = sites.start_probe(person(request), name)
        return Response(SiteSettingsSerializer(found).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        operation_id="sites_drain",
        summary="Drain a site",
        tags=["sites"],
        parameters=[NAME, DRY_RUN],
        request=DrainSerializer,
        responses=DrainPlanSerializer,
    )
    def drain(self, request: Request, name: str) -> Response:
        """The site takes no new jobs; those not handed over yet move to other sites. For operators."""
        check_operator(person(request))
        body = DrainSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        dry_run = request.query_params.get("dry_run", "") in {"1", "true"}
        plan = sites.drain_site(person(request), name, reason=body.validated_data["reason"], dry_run=dry_run)
        return Response(DrainPlanSerializer(plan).data)

    @extend_schema(
        operation_id="sites_open",
        summary="Open a site",
        tags=["sites"],
        parameters=[NAME],
        request=None,
        responses=SiteSettingsSerializer,
    )
    def open(self, request: Request, name: str) -> Response:
        """The site takes jobs again. For operators."""
        return Response(SiteSettingsSerializer(sites.open_site(person(request), name)).data)


class ReconcileViewSet(GenericViewSet):
    """Database, scheduler and disk side by side, for operators; to others this is not there."""

    serializer_class = ReconciledSerializer
    pagination_class = None

    @extend_schema(operation_id="reconcile_look", summary="Where rows and sites differ", tags=["operators"])
    def list(self, request: Request) -> Response:
        """Every site is asked now; nothing is changed."""
        return Response(ReconciledSerializer(reconcile(person(request))).data)

    @extend_schema(
        operation_id="reconcile_repair",
        summary="Mend what differs",
        tags=["operators"],
        request=None,
        responses={200: ReconciledSerializer},
    )
    def create(self, request: Request) -> Response:
        """What has a ``repair`` is mended, each with a line in the trail."""
        check_operator(person(request))
        return Response(ReconciledSerializer(reconcile(person(request), repair=True)).data)
