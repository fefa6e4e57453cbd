"""What was kept to tell a late copy of a job from the first one goes, some days after the job has ended."""

import logging
from contextlib import suppress
from datetime import timedelta

from django.utils import timezone

from common.errors import NotFound, PortolanError
from jobs.backends.base import SiteUnavailable
from jobs.lifecycle import parts, staging
from jobs.lifecycle.places import control_of, places_of
from jobs.lifecycle.sites import backend_of
from jobs.models import Attempt
from jobs.states import FINAL
from storage.paths import remove_beneath

KEEP = timedelta(days=14)
MOST = 500
log = logging.getLogger(__name__)


def tidy() -> int:
    """The control files of attempts whose jobs ended long ago are gone, here and at their sites; how many attempts.

    Rows, logs, results and what a failed command left in ``work-<n>/`` stay. What can't be reached now is tried again.
    """
    old = Attempt.objects.filter(
        tidied_at__isnull=True, job__state__in=FINAL, job__finished_at__lt=timezone.now() - KEEP
    )
    done = 0
    for attempt in old.select_related("job__project", "site").order_by("job__finished_at")[:MOST]:
        try:
            _tidy(attempt)
        except (SiteUnavailable, PortolanError) as problem:
            log.warning("attempt %s can't be tidied now: %s", attempt.pk, problem)
        else:
            done += 1
    return done


def _tidy(attempt: Attempt) -> None:
    if attempt.native_id:
        backend = backend_of(attempt.site)
        for native_id in parts.native_ids(attempt) or [attempt.native_id]:
            backend.forget(native_id)
    if attempt.staged and attempt.cleaned_at is None:
        staging.clean_up(attempt)
    with suppress(NotFound):  # the folder itself is gone
        remove_beneath(places_of(attempt.job).root, control_of(attempt))
    Attempt.objects.filter(pk=attempt.pk).update(tidied_at=timezone.now())
