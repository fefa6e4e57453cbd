"""The trail as a file that is made while it is sent."""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from projects.models import AuditEvent
from projects.trail import FORMS, lines


def trail_file(
    request: HttpRequest, events: QuerySet[AuditEvent], *, form: str, name: str = "activity"
) -> StreamingHttpResponse:
    """The answer that sends the events as ``name.csv`` or ``name.jsonl``; never more than some hundred in memory."""
    blocks = lines(events, form)
    plain = getattr(request, "_request", request)  # the one inside a request of the API
    response = StreamingHttpResponse(_in_turn(blocks) if isinstance(plain, ASGIRequest) else blocks)
    response["Content-Type"] = FORMS[form]
    response["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _in_turn(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    # In the thread of the request, whose connection to the database is closed at its end.
    while (block := await sync_to_async(lambda: next(blocks, None))()) is not None:
        yield block
