"""REST: who am I, and my tokens."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.limits import count_token
from accounts.logins import unlink
from accounts.models import ApiToken
from accounts.scopes import Scope
from accounts.serializers import (
    MadeTokenSerializer,
    MeSerializer,
    NewTokenSerializer,
    RevokedSerializer,
    TokenSerializer,
)
from accounts.services import make_token, own_tokens, revoke_all, revoke_token
from common.errors import Forbidden


class MeViewSet(GenericViewSet):
    """The person of the request."""

    serializer_class = MeSerializer
    pagination_class = None

    @extend_schema(operation_id="me", summary="Who am I", tags=["people"])
    def retrieve(self, request: Request) -> Response:
        """The person, and the token in use when there is one."""
        return Response(MeSerializer(person(request)).data)

    @extend_schema(
        operation_id="me_unlink",
        summary="Unlink one of my logins",
        tags=["people"],
        request=None,
        responses={204: None},
    )
    def unlink(self, request: Request, identity_id: UUID) -> Response:
        """The login leads to this account no more; 409 ``last_way_in``. Linking another one needs a browser."""
        if not person(request).allows_scope(Scope.ADMIN):
            raise Forbidden("This token has no scope “admin”.", code="scope_missing")
        unlink(person(request), identity_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokenViewSet(GenericViewSet):
    """Personal tokens."""

    serializer_class = TokenSerializer

    def get_queryset(self) -> QuerySet[ApiToken]:
        """One's own tokens."""
        return own_tokens(person(self.request))

    @extend_schema(operation_id="tokens_list", summary="My tokens", tags=["people"])
    def list(self, request: Request) -> Response:
        """All of one's tokens, also those that have ended, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(TokenSerializer(page, many=True).data)

    @extend_schema(
        operation_id="tokens_create",
        summary="Make a token",
        tags=["people"],
        request=NewTokenSerializer,
        responses={201: MadeTokenSerializer},
    )
    def create(self, request: Request) -> Response:
        """A new token; its secret is in this answer only."""
        body = NewTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        count_token(person(request).pk)
        token, secret = make_token(person(request), **body.validated_data)
        answer = {**TokenSerializer(token).data, "secret": secret}
        return Response(answer, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="tokens_revoke", summary="Revoke a token", tags=["people"], responses={204: None})
    def destroy(self, request: Request, token_id: UUID) -> Response:
        """The token ends now. A token may always end itself."""
        revoke_token(person(request), token_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="tokens_revoke_all",
        summary="Revoke all my tokens",
        tags=["people"],
        request=None,
        responses=RevokedSerializer,
    )
    def revoke_all(self, request: Request) -> Response:
        """Every token ends now, also the one in use."""
        return Response({"revoked": revoke_all(person(request))})
