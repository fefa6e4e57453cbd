"""Celery's door to ``accounts``."""

from celery import shared_task
from django.utils import timezone

from accounts.logins import due, refresh

AT_ONCE = 200


@shared_task
def refresh_identities() -> None:
    """Identities whose groups are due are queued, the longest waiting first."""
    for key in due(timezone.now()).values_list("pk", flat=True)[:AT_ONCE]:
        refresh_identity.delay(str(key))


@shared_task
def refresh_identity(identity_id: str) -> None:
    """The identity's groups are those that its provider tells."""
    refresh(identity_id)
