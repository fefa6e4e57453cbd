"""Cursor paging for every list of the API."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Pages of a list by ``created_at``, newest first; ``?cursor=`` goes on, ``?page_size=`` up to 200."""

    ordering = ("-created_at", "id")
    page_size_query_param = "page_size"
    max_page_size = 200
