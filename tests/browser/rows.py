"""Rows that a page is shown with and that the sample can't make: written inside the instance, by its ``shell``."""

from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from jobs.models import Attempt, ComputeSite, Element, Job, JobEvent
from jobs.states import Does, ElementState, JobState

LOST = {"code": "node_failed", "message": "The machine failed while the job ran.", "hint": "", "input": ""}
WRONG = {
    "code": "alignment-failed",
    "message": "RELION aligned 5 of 6 movies; not FoilHole_24015511_Data_24016401_24016403_20250312_141502_fractions.",
    "hint": "Look at relion.log; leave these movies out, or use fewer patches.",
    "input": "movies",
}


def split_job(project: str) -> str:
    """The id of a failed job in six elements: two are done, one at its second try, one failed, two never got so far."""
    site, now = ComputeSite.objects.get(name="local"), timezone.now()
    began = now - timedelta(minutes=40)
    last = Job.objects.filter(project_id=project).order_by("-number").first()
    inputs = {"movies": {"pattern": "samples/movies/*.tiff"}, "pixel_size": 1.77, "dose_per_frame": 1.2}
    job = Job(project_id=UUID(project), number=last.number + 1 if last else 1, tool="movie_alignment", site=site)
    job.tool_digest, job.inputs, job.job_order, job.elements = "0" * 64, inputs, inputs, 6
    job.state, job.failure, job.reason = JobState.FAILED, WRONG, WRONG["message"]
    job.started_at, job.finished_at, job.submitted_by = began, now, User.objects.get(username="researcher")
    job.save()
    JobEvent.objects.create(job=job, from_state=JobState.QUEUED, to_state=JobState.RUNNING, reason="")
    JobEvent.objects.create(job=job, from_state=JobState.RUNNING, to_state=JobState.FAILED, reason=job.reason)
    # Ended, cleaned and tidied: no worker has anything to do with it.
    attempt = Attempt(job=job, number=1, site=site, does=Does.ELEMENTS, native_id="4711", exit_code=2)
    attempt.submitted_at = attempt.began_at = began
    attempt.cleaned_at = attempt.tidied_at = attempt.ended_at = now
    attempt.save()
    Element.objects.bulk_create(
        [
            _ended(attempt, 0, ElementState.DONE, began),
            _ended(attempt, 1, ElementState.DROPPED, began, failure=LOST, last_word="NODE_FAIL"),
            _ended(attempt, 1, ElementState.DONE, began, retry=1),
            _ended(attempt, 2, ElementState.DONE, began),
            _ended(attempt, 3, ElementState.FAILED, began, failure=WRONG, last_word="FAILED", exit_code=2),
            Element(attempt=attempt, index=4, place=4, state=ElementState.WAITING, last_word="PENDING"),
            Element(attempt=attempt, index=5, place=5, state=ElementState.DROPPED),
        ]
    )
    return str(job.pk)


def tried_site(name: str) -> None:
    """The canary of the site's queue cpu ended well; that of gpu failed, and the next one is under way."""
    at = timezone.now().isoformat()
    well = {"at": at, "ok": True, "words": "It ran on node-17.", "hint": "", "seconds": 4.2, "ended_at": at, "left": []}
    said = "/etc/profile.d/modules.sh:17:relion/3.1.3-foss-2023a-CUDA-12.1.1-with-everything: command not found"
    words = {"words": f"It ended with status 127. It said: {said}", "hint": "See to the node, and to its tool setup."}
    under_way = {"at": at, "name": "p", "place": "/p", "native_id": "4711", "word": "PENDING", "left": []}
    failed = under_way | {"last": {"ok": False, "seconds": 3.1, "ended_at": at, **words}}
    ComputeSite.objects.filter(name=name).update(canaries={"cpu": well, "gpu": failed})


def _ended(attempt: Attempt, index: int, state: ElementState, began: datetime, **more: object) -> Element:
    """A try that ran for some minutes."""
    said: dict[str, object] = {"last_word": "COMPLETED", "exit_code": 0} | more
    ended = began + timedelta(minutes=9 + index, seconds=12)
    return Element(attempt=attempt, index=index, place=index, state=state, began_at=began, ended_at=ended, **said)
