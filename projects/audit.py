"""The trail of what people changed."""

from accounts.models import User
from projects.models import AuditEvent, Project

SUBJECT_LENGTH = 300


def record(
    project: Project | None, actor: User | None, action: str, subject: str = "", **details: object
) -> AuditEvent:
    """One row says that ``actor`` did ``action``; call it in the transaction of the change itself.

    ``project`` None is for the gateway itself (accounts, sites). ``actor`` None is the portal's own doing (a retention
    rule). A token's use is told by its label, not its secret.
    """
    token = actor.token if actor is not None else None
    if token is not None:
        details["token"] = token.label
    return AuditEvent.objects.create(
        project=project,
        actor=actor,
        actor_name=actor.display_name if actor is not None else "Portolan",
        action=action,
        subject=subject[:SUBJECT_LENGTH],
        details=details,
    )
