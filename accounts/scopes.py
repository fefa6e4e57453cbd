"""What a token may be used for."""

from django.db import models


class Scope(models.TextChoices):
    """Scopes of tokens; a browser session has all of them."""

    READ = "read", "Read projects, files and jobs"
    DATA = "data", "Upload and change files"
    JOBS = "jobs", "Start and cancel jobs"
    ADMIN = "admin", "Manage projects, people and tokens"

    @property
    def explained(self) -> str:
        """What exactly, for who chooses."""
        return EXPLAINED[self]


EXPLAINED = {
    Scope.READ: "See your projects and who is in them, list and download files, follow jobs and fetch results.",
    Scope.DATA: "Send files, make folders, move and delete files, take back what was deleted.",
    Scope.JOBS: "Start jobs, cancel them and run them again.",
    Scope.ADMIN: "Make and archive projects, add and remove people, make and revoke tokens. Few scripts need it.",
}
