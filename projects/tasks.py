"""Celery's door to the mails about access: each may be sent late, twice or never."""

import logging
from typing import Any
from uuid import UUID

from celery import shared_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from projects import notices
from projects.models import AccessRequest

log = logging.getLogger(__name__)


def ring(task: Any, key: UUID) -> None:
    """A worker will do it; when the broker is away nobody is told by mail, and the pages still say it."""
    try:
        task.delay(str(key))
    except (OperationalError, RedisError, OSError) as error:
        log.warning("request %s: the broker does not answer (%s); no mail is sent", key, type(error).__name__)


@shared_task
def tell_managers(request_id: str) -> None:
    """Who may decide knows of the request."""
    notices.tell_managers(AccessRequest.objects.select_related("user").get(pk=request_id))


@shared_task
def tell_requester(request_id: str) -> None:
    """Who asked knows the answer."""
    notices.tell_requester(AccessRequest.objects.select_related("user").get(pk=request_id))
