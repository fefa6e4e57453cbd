"""What is asked of a link's address, and by whom it is answered."""

from __future__ import annotations

from common.errors import PortolanError, UserError
from storage.door.http import Reply, Request
from storage.door.links import copying, dav
from storage.door.links.giving import give
from storage.door.links.taking import take
from storage.door.links.visits import COLLECTION, Visit, enter_by, settle
from storage.door.pouring import Cut

__all__ = ["COLLECTION", "STATUS_OF_CODE", "answer", "settle"]
STATUS_OF_CODE = {
    "bad_link_token": 401,
    "link_ended": 410,
    "link_revoked": 410,
    "link_bytes_used": 413,
    "precondition_failed": 412,
    "project_full": 507,
    "dav_locked": 423,
}


async def answer(request: Request, prefix: str) -> Reply:
    """The reply to a request below ``/links/``; errors of ``common.errors`` and Cut leave as they are, noted."""
    visit = await enter_by(request, prefix)
    try:
        reply = await _answered(visit)
    except PortolanError as error:
        visit.note(error.code)
        raise
    except Cut:
        visit.note("cut")
        raise
    except Exception:
        visit.note("error")
        raise
    if reply.stream is None:
        visit.note("ok" if reply.status < 400 else str(reply.status))
    return reply


async def _answered(visit: Visit) -> Reply:
    method = visit.request.method
    if method in ("GET", "HEAD"):
        return await give(visit)
    if method == "PUT":
        return await take(visit)
    if method == "COPY" and copying.is_far(visit):
        return await copying.copy(visit)
    if method in dav.METHODS:
        return await dav.answer(visit)
    raise UserError("This method has no meaning here.", code="method_not_allowed")
