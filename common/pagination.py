"""Cursor paging for every list of the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from common.errors import UserError

if TYPE_CHECKING:  # the framework loads this module while it is itself being loaded
    from rest_framework.views import APIView


class NewestFirst(CursorPagination):
    """Pages of a list by ``created_at``, newest first; ``?cursor=`` goes on, ``?page_size=`` up to 200."""

    ordering: tuple[str, ...] = ("-created_at", "id")
    page_size_query_param = "page_size"
    max_page_size = 200

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        """The page; UserError ``bad_cursor`` for a cursor that this list never gave."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValidationError, ValueError, OverflowError) as error:
            hint = "Take the address “next” as the last answer gave it."
            raise UserError("This cursor belongs to no page of this list.", code="bad_cursor", hint=hint) from error


class NewestByNumber(NewestFirst):
    """The same for rows whose key counts up."""

    ordering = ("-id",)


class OldestByNumber(NewestFirst):
    """The same, in the order in which the rows came."""

    ordering = ("id",)


class ByName(NewestFirst):
    """The same for people, by user name."""

    ordering = ("username",)
