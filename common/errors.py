"""Errors in families by what to do about them.

Only ``gateway/errors.py`` knows the HTTP codes. ``code`` is stable and for machines; ``message`` says what is
wrong and where; ``hint`` says what to change; ``wait`` is after how many seconds to try again, where that is known.
"""


class PortolanError(Exception):
    """Something a person or a script must be told in plain words."""

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        field: str | None = None,
        errors: dict[str, list[str]] | None = None,
        wait: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.hint = hint
        self.field = field
        self.wait = wait
        self.errors = errors or ({field: [message]} if field else {})


class UserError(PortolanError):
    """The request can't be done as it stands; the user can change it."""

    code = "invalid"


class Forbidden(PortolanError):
    """The person is known here, but their role or token does not allow this."""

    code = "forbidden"


class NotFound(PortolanError):
    """It is not there, or not to be known by this person."""

    code = "not_found"


class StateConflict(PortolanError):
    """Right request, wrong moment: something else happened first."""

    code = "conflict"


class Unprocessable(PortolanError):
    """Well-formed, and still not to be done: it contradicts what was said before."""

    code = "unprocessable"


class QuotaExceeded(PortolanError):
    """The project's quota has no room for this; nothing was written."""

    code = "quota_exceeded"


class TooOften(PortolanError):
    """The same was tried too many times in a short while; it can be tried again later."""

    code = "too_often"


class Unavailable(PortolanError):
    """A part we depend on does not answer; nothing changed, try again later."""

    code = "unavailable"
