"""What a request may be made with, besides a session and a personal token."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """An institute's access token in use: whose it is, what it may be used for, and when it ends.

    It reads like a personal token where rights are checked, but it has no row: the institute keeps it.
    """

    label: str
    issuer: str
    subject: str
    scopes: tuple[str, ...]
    expires_at: datetime
    project_ids: tuple[str, ...] = ()
    pk: None = None
