"""REST: groups that one is in, and those that people keep here."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import person
from accounts.models import Group, Seat
from projects import services
from projects.serializers import GroupSerializer, NewGroupSerializer, NewSeatSerializer, SeatSerializer


class GroupViewSet(GenericViewSet):
    """Groups."""

    queryset = Group.objects.none()
    serializer_class = GroupSerializer

    @extend_schema(operation_id="groups_list", summary="My groups", tags=["people"])
    def list(self, request: Request) -> Response:
        """The groups that one is in, of AAIs and kept here, newest first."""
        page = self.paginate_queryset(services.my_groups(person(request)))
        return self.get_paginated_response(GroupSerializer(page, many=True).data)

    @extend_schema(
        operation_id="groups_make",
        summary="Make a group",
        tags=["people"],
        request=NewGroupSerializer,
        responses={201: GroupSerializer},
    )
    def create(self, request: Request) -> Response:
        """A group that is kept here; who makes it is in it and keeps it."""
        made = services.make_group(person(request), **_body(NewGroupSerializer, request))
        return Response(GroupSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="groups_get", summary="One of my groups", tags=["people"])
    def retrieve(self, request: Request, group_id: UUID) -> Response:
        """The group."""
        return Response(GroupSerializer(services.group_seen_by(person(request), group_id)).data)

    @extend_schema(
        operation_id="groups_change",
        summary="Rename a group",
        tags=["people"],
        request=NewGroupSerializer,
        responses=GroupSerializer,
    )
    def update(self, request: Request, group_id: UUID) -> Response:
        """The group that is kept here has this name and description."""
        given = _body(NewGroupSerializer, request)
        return Response(GroupSerializer(services.rename_group(person(request), group_id, **given)).data)

    @extend_schema(operation_id="groups_delete", summary="Delete a group", tags=["people"], responses={204: None})
    def destroy(self, request: Request, group_id: UUID) -> Response:
        """The group is gone; 409 ``group_in_use`` while a project gives it a role."""
        services.delete_group(person(request), group_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SeatViewSet(GenericViewSet):
    """People in a group."""

    queryset = Seat.objects.none()  # type: ignore[assignment]
    serializer_class = SeatSerializer  # type: ignore[assignment]

    @extend_schema(operation_id="seats_list", summary="Who is in a group", tags=["people"])
    def list(self, request: Request, group_id: UUID) -> Response:
        """Everybody in a group that is kept here; of an AAI's group, what it says of oneself."""
        page = self.paginate_queryset(services.seats_in(person(request), group_id))
        return self.get_paginated_response(SeatSerializer(page, many=True).data)

    @extend_schema(
        operation_id="seats_put",
        summary="Put a person into a group",
        tags=["people"],
        request=NewSeatSerializer,
        responses={200: SeatSerializer},
    )
    def create(self, request: Request, group_id: UUID) -> Response:
        """The person is in the group that is kept here, and has what projects give it, at once."""
        seat = services.put_person(person(request), group_id, **_body(NewSeatSerializer, request))
        return Response(SeatSerializer(seat).data)

    @extend_schema(
        operation_id="seats_take", summary="Take a person out of a group", tags=["people"], responses={204: None}
    )
    def destroy(self, request: Request, group_id: UUID, user_id: UUID) -> Response:
        """The person has lost what the group gave. Anybody may take themselves out."""
        services.take_person(person(request), group_id, user_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _body(reader: Any, request: Request) -> dict[str, Any]:
    body = reader(data=request.data)
    body.is_valid(raise_exception=True)
    given: dict[str, Any] = body.validated_data
    return given
