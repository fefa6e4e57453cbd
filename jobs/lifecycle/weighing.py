"""How a command ended, when the exit file and the scheduler each know a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.backends.base import Cause
from jobs.results import Failure, failure_of


def weighed(evidence: dict[str, Any], cause: str) -> dict[str, Any]:
    """The exit file, with the ``cause`` that the scheduler gave where it knows better.

    The job's script sees a SIGTERM or a killed command; only the scheduler knows whether it was time, memory or a
    node. Where it says that memory ran out, something of the job was killed, even if the command ended well.
    """
    unclear = evidence.get("cause") == "cancelled" or (not evidence.get("cause") and evidence.get("signal"))
    if cause and (unclear or cause == Cause.OUT_OF_MEMORY):
        return evidence | {"cause": cause}
    return evidence


def without_evidence(said: Mapping[str, Any], title: str, memory_mb: int, site: str) -> Failure:
    """The failure of a command that left no exit file; ``said`` is what its scheduler told: {site, cause}."""
    cause = said.get("cause")
    if cause:
        told = {"cause": cause, "message": str(said.get("site")).rstrip(".")}
        known = failure_of(told, "", title=title, memory_mb=memory_mb)
        if known is not None:
            return known
    words = said.get("site") or f"{site} says it has ended, but it left no exit code."
    hint = "Nothing is wrong with your inputs. Run it again; if it happens again, tell the operator."
    return Failure(code="site_error", message=words, hint=hint)
