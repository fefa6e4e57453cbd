"""The usage policy, as page and by REST: read by everybody, accepted once."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.models import User
from accounts.policy import Policy, accept, current, must_accept
from accounts.scopes import Scope
from accounts.serializers import Body
from common.errors import Forbidden, NotFound


@never_cache
def policy(request: HttpRequest) -> HttpResponse:
    """The usage policy; who is signed in accepts it here, once, and goes on to the page they asked for."""
    held, after = _held(), next_page(request)
    user = request.user if isinstance(request.user, User) else None
    if request.method == "POST" and user is not None:
        accept(user, version=request.POST.get("version", ""))
        return redirect(after)
    asked = user is None or must_accept(user) is not None
    accepted = None if asked or user is None else user.policies.filter(version=held.version).first()
    return render(request, "accounts/policy.html", {"policy": held, "accepted": accepted, "next": after})


def next_page(request: HttpRequest) -> str:
    """The page of this portal to go on to, as ``next`` asks for it; the start page for anything else."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if safe else reverse("home")


class PolicySerializer(serializers.Serializer):
    """The usage policy and when you accepted it."""

    version = serializers.CharField()
    text = serializers.CharField()
    accepted_at = serializers.DateTimeField(allow_null=True)


class AcceptPolicySerializer(Body):
    """The version that you have read."""

    version = serializers.CharField(max_length=100)


class PolicyViewSet(GenericViewSet):
    """The usage policy; all else of the API waits until it is accepted."""

    serializer_class = PolicySerializer
    pagination_class = None
    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="policy", summary="The usage policy", tags=["people"])
    def retrieve(self, request: Request) -> Response:
        """Its text, its version, and when you accepted it; 404 ``no_policy`` where there is none."""
        return Response(_told(person(request), _held()))

    @extend_schema(
        operation_id="policy_accept",
        summary="Accept the usage policy",
        tags=["people"],
        request=AcceptPolicySerializer,
        responses=PolicySerializer,
    )
    def accept(self, request: Request) -> Response:
        """You have accepted it; 409 ``policy_changed`` when that version does not hold any more."""
        body = AcceptPolicySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if not person(request).allows_scope(Scope.ADMIN):
            raise Forbidden("This token has no scope “admin”.", code="scope_missing")
        accept(person(request), **body.validated_data)
        return Response(_told(person(request), _held()))


def _held() -> Policy:
    held = current()
    if held is None:
        raise NotFound("There is no usage policy here.", code="no_policy")
    return held


def _told(user: User, held: Policy) -> dict[str, object]:
    accepted = user.policies.filter(version=held.version).first()
    return PolicySerializer(
        {"version": held.version, "text": held.text, "accepted_at": accepted.created_at if accepted else None}
    ).data
