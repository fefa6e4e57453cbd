"""What a person may command and see of jobs. Every function checks the right to do so."""

from jobs.past import expected_seconds
from jobs.services.commands import Plan, cancel_job, rerun_job, submit_job
from jobs.services.inputs import count_matches
from jobs.services.looking import (
    Change,
    JobNews,
    LogChunk,
    charts_so_far,
    command_of,
    elements_of,
    get_job,
    job_changes,
    job_difference,
    numbers_of,
    read_log,
)
from jobs.services.repairing import repair_job, repairs

__all__ = [
    "Change",
    "JobNews",
    "LogChunk",
    "Plan",
    "cancel_job",
    "charts_so_far",
    "command_of",
    "count_matches",
    "elements_of",
    "expected_seconds",
    "get_job",
    "job_changes",
    "job_difference",
    "numbers_of",
    "read_log",
    "repair_job",
    "repairs",
    "rerun_job",
    "submit_job",
]
