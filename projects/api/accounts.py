"""REST for operators: people's accounts."""

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.models import ExternalIdentity, User
from accounts.serializers import Body, PersonSerializer
from common.pagination import NewestFirst
from projects.services import accounts


class NewestJoined(NewestFirst):
    """Accounts, newest first."""

    ordering = ("-date_joined", "id")


class AccountIdentitySerializer(serializers.ModelSerializer):
    """An institute's name for a person."""

    class Meta:
        model = ExternalIdentity
        fields = ("issuer", "subject", "created_at")


class AccountSerializer(PersonSerializer):
    """A person, as operators see them."""

    operator = serializers.BooleanField(source="is_staff", read_only=True)
    active = serializers.BooleanField(source="is_active", read_only=True)
    identities = AccountIdentitySerializer(many=True, read_only=True)
    projects = serializers.IntegerField(source="project_count", read_only=True)
    tokens = serializers.IntegerField(source="token_count", read_only=True)

    class Meta(PersonSerializer.Meta):
        fields = (
            *PersonSerializer.Meta.fields,
            "email",
            "operator",
            "active",
            "suspended_why",
            "posix_account",
            "date_joined",
            "last_login",
            "identities",
            "projects",
            "tokens",
        )  # type: ignore[assignment]


class WhySerializer(Body):
    """Why an account is suspended."""

    why = serializers.CharField(max_length=accounts.WHY_LENGTH)


class AccountViewSet(GenericViewSet):
    """People's accounts, for operators; to others this is not there."""

    serializer_class = AccountSerializer
    pagination_class = NewestJoined
    queryset = User.objects.all()

    @extend_schema(
        operation_id="accounts_list",
        summary="All accounts",
        tags=["operators"],
        parameters=[OpenApiParameter("search", str, description="Words of a name, an address or an identity.")],
    )
    def list(self, request: Request) -> Response:
        """Accounts, newest first; operators only."""
        found = accounts.accounts(person(request), search=request.query_params.get("search", ""))
        return self.get_paginated_response(AccountSerializer(self.paginate_queryset(found), many=True).data)

    @extend_schema(operation_id="accounts_get", summary="One account", tags=["operators"])
    def retrieve(self, request: Request, user_id: UUID) -> Response:
        """The account with its identities."""
        return Response(AccountSerializer(accounts.account(person(request), user_id)).data)

    @extend_schema(
        operation_id="accounts_suspend",
        summary="Suspend an account",
        tags=["operators"],
        request=WhySerializer,
        responses=AccountSerializer,
    )
    def suspend(self, request: Request, user_id: UUID) -> Response:
        """Every session and token has ended, and no role counts; files and roles stay."""
        body = WhySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(AccountSerializer(accounts.suspend(person(request), user_id, **body.validated_data)).data)

    @extend_schema(
        operation_id="accounts_unsuspend",
        summary="Open a suspended account",
        tags=["operators"],
        request=None,
        responses=AccountSerializer,
    )
    def unsuspend(self, request: Request, user_id: UUID) -> Response:
        """The person can sign in again; ended tokens stay ended."""
        return Response(AccountSerializer(accounts.unsuspend(person(request), user_id)).data)
