"""What Slurm's words mean (seen with 22.05; the lists are those of its manual pages)."""

from __future__ import annotations

from jobs.backends import natives
from jobs.backends.base import Cause, JobSpec, NativeObservation, Phase
from jobs.backends.script import REFUSED, UNREACHABLE

NO_ACCOUNTING = "accounting storage is disabled"

PHASES: dict[str, Phase] = (
    dict.fromkeys(("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD"), Phase.QUEUED)
    | dict.fromkeys(
        ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"), Phase.RUNNING
    )
    | dict.fromkeys(
        ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "SPECIAL_EXIT"), Phase.ENDED
    )
    | dict.fromkeys(("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED"), Phase.LOST)
)

CAUSES: dict[str, tuple[Cause, str]] = {
    "OUT_OF_MEMORY": (Cause.OUT_OF_MEMORY, "Slurm ended it: it used more memory than it asked for."),
    "TIMEOUT": (Cause.WALL_TIME, "Slurm ended it: its time in this partition was over."),
    "DEADLINE": (Cause.WALL_TIME, "Slurm ended it: it could not be ready before its deadline."),
    "CANCELLED": (Cause.CANCELLED, "It was cancelled on the cluster."),
    "NODE_FAIL": (Cause.NODE_FAILURE, "The cluster's node failed while it ran."),
    "BOOT_FAIL": (Cause.NODE_FAILURE, "The cluster's node did not start."),
    "PREEMPTED": (Cause.PREEMPTED, "It was stopped to make room for a job of higher priority."),
}

_ASK = "Ask the cluster's operators."
_NEVER = "So it will never start: cancel it and"
WAITS: dict[str, str] = {
    "None": "",
    "Priority": "Other jobs are before it.",
    "Resources": "Waits for free resources.",
    "Dependency": "Waits for another job.",
    "DependencyNeverSatisfied": f"The job that it waits for failed. {_NEVER} run it again.",
    "BeginTime": "Waits for its time to begin.",
    "JobHeldUser": "It is held on the cluster by its own user: somebody has to release it (scontrol release).",
    "JobHeldAdmin": f"The cluster's operators hold it. {_ASK}",
    "PartitionTimeLimit": f"It asks for more time than the partition gives. {_NEVER} ask for less time.",
    "PartitionNodeLimit": f"It asks for more nodes than the partition has. {_NEVER} ask for fewer.",
    "PartitionConfig": f"The partition can't give what it asks for. {_NEVER} ask for less.",
    "PartitionDown": "The partition is down.",
    "PartitionInactive": "The partition takes no jobs now.",
    "ReqNodeNotAvail": "The nodes that it needs are down or reserved.",
    "Reservation": "Waits for its reservation.",
    "Licenses": "Waits for a licence.",
    "Cleaning": "Its former run is being cleaned up.",
    "JobArrayTaskLimit": "As many elements of its array run as may at once.",
    "BadConstraints": f"No node can ever run it. {_NEVER} ask for less.",
    "AccountNotAllowed": f"Its account may not use this partition. {_NEVER} tell the operator.",
    "QOSNotAllowed": f"Its quality of service is not allowed here. {_NEVER} tell the operator.",
    "InvalidAccount": f"The cluster does not know its account. {_NEVER} tell the operator.",
    "InvalidQOS": f"The cluster does not know its quality of service. {_NEVER} tell the operator.",
    "NodeDown": "A node that it needs is down.",
    "launch failed requeued held": f"It could not be launched and is held. {_ASK}",
}
_PREFIXES = (
    ("ReqNodeNotAvail", WAITS["ReqNodeNotAvail"]),
    ("QOS", "A limit of its quality of service is reached; it waits until others have ended."),
    ("Assoc", "A limit of its account is reached; it waits until others have ended."),
    ("Max", "A limit of its account is reached; it waits until others have ended."),
    ("Nodes required", "The nodes that it needs are down, drained or reserved."),
)

# Part of the message of sbatch, what the user reads, and the hint.
_QUEUE = ("The site has no partition “{queue}”.", "Choose another queue, or tell the operator.")
_NODE = "No node of the site offers {wanted}."
_LONG = ("The job's parameters are too long for the site.", "Shorten them.")
_REFUSED: tuple[tuple[str, str, str], ...] = (
    ("node configuration is not available", _NODE, "Ask for less, or choose another site."),
    ("Invalid partition name", *_QUEUE),
    ("invalid partition specified", *_QUEUE),
    ("Node count specification invalid", "The site has no {nodes} nodes for one job.", "Ask for fewer nodes."),
    ("More processors requested than permitted", "The site does not offer {wanted}.", "Ask for fewer cores."),
    ("CPU count", _NODE, "Ask for fewer cores."),
    ("Memory specification can not be satisfied", _NODE, "Ask for less memory."),
    ("Memory required by task is not available", _NODE, "Ask for less memory."),
    ("Invalid generic resource", "The site has no GPUs as this job asks for.", "Choose another queue or site."),
    ("Requested time limit is invalid", "The queue gives less time than the job asks for.", "Ask for less time."),
    ("Requested partition configuration not", "The queue can't run a job like this one.", "Choose another one."),
    ("Invalid account or account/partition", "The site's account may not run this job.", "Tell the operator."),
    ("Invalid qos", "The site's quality of service is not known there.", "Tell the operator."),
    ("not permitted to use this partition", "The portal may not use this queue.", "Choose another queue."),
    ("Job violates accounting/QOS policy", "The site's limits do not allow this job.", "Ask for less, or try later."),
    ("Access/permission denied", "The site does not let the portal submit this job.", "Tell the operator."),
    ("Pathname of a file, directory or other parameter too long", *_LONG),
    ("Job script size exceeds", *_LONG),
    ("Invalid job array specification", "The site takes no array of this size.", "Use fewer inputs at once."),
)


def observation(number: str, state: str, reason: str, name: str, code: str = "") -> NativeObservation:
    """What one line of squeue or one row of sacct says; only the state's first word counts ("CANCELLED by 0")."""
    word = (state.split() or ["?"])[0].rstrip("+")
    phase = PHASES.get(word, Phase.UNKNOWN)
    cause, words = CAUSES.get(word, (Cause.NONE, ""))
    if word == "FAILED":
        cause, words = _failure(code, reason)
    elif phase is Phase.QUEUED:
        words = _waiting(reason)
    elif phase is Phase.UNKNOWN:
        words = f"Slurm says “{word}”, a word that is not known here."
    return NativeObservation(
        native_id=natives.join(number, name), word=word, phase=phase, reason=words[:500], cause=cause
    )


def _waiting(reason: str) -> str:
    reason = reason.strip("()")
    if reason in WAITS:
        return WAITS[reason]
    for start, words in _PREFIXES:
        if reason.startswith(start):
            return words
    return f"Slurm says why it waits: {reason}."


def _failure(code: str, reason: str) -> tuple[Cause, str]:
    """Only what the exit code tells for sure: squeue's JobLaunchFailure is also said of a job killed by a signal."""
    status, _, number = code.partition(":")
    if number == "53" or reason == "BadConstraints" or status == str(UNREACHABLE):
        return (
            Cause.NOT_STARTED,
            "The cluster's node could not start it: its directories are not there, or not writable.",
        )
    if number == "125":
        return CAUSES["OUT_OF_MEMORY"]
    if status == str(REFUSED):
        return Cause.NONE, "A second copy of it met the fence and left."
    return Cause.NONE, ""


def rejection(said: str, spec: JobSpec) -> tuple[str, str] | None:
    """The message and the hint when ``sbatch`` says that it will not take the job; None when that is not sure."""
    wanted = f"{spec.cores} cores and {spec.memory_mb} MB of memory"
    if spec.gpus:
        wanted += f" and {spec.gpus} GPUs"
    for part, message, hint in _REFUSED:
        if part.lower() in said.lower():
            return message.format(wanted=wanted, queue=spec.queue, nodes=spec.nodes), hint
    return None
