"""Named points between two steps, at which tests kill a worker to see that nothing is lost or done twice."""

import os
import signal

VARIABLE = "PORTOLAN_KILL_AT"
POINTS = (
    "created.moved",
    "prepare.folder_made",
    "prepare.written",
    "prepare.before_record",
    "prepare.recorded",
    "stage_in.begun",
    "stage_in.copied",
    "stage_in.verified",
    "hand_over.before_find",
    "hand_over.before_submit",
    "hand_over.after_submit",
    "hand_over.recorded",
    "observe.before_poll",
    "observe.after_poll",
    "observe.recorded",
    "collect.begun",
    "stage_out.begun",
    "stage_out.copied",
    "stage_out.verified",
    "collect.outputs_found",
    "collect.before_rename",
    "collect.after_rename",
    "collect.crate_written",
    "collect.before_record",
    "collect.recorded",
    "again.before_record",
    "again.recorded",
    "again.after_submit",
    "gather.judged",
    "gather.before_record",
    "gather.recorded",
    "retry.before_record",
    "retry.recorded",
    "cancel.before_site",
    "cancel.after_site",
    "cancel.before_record",
    "cancel.recorded",
)


def reached(point: str) -> None:
    """Nothing happens, but in a test that asked for this process to die right here."""
    if os.environ.get(VARIABLE) == point:
        os.kill(os.getpid(), signal.SIGKILL)
