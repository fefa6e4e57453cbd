"""What a personal token may be used for."""

from django.db import models


class Scope(models.TextChoices):
    """Scopes of personal tokens; a browser session has all of them."""

    READ = "read", "Read projects, files and jobs"
    DATA = "data", "Upload and change files"
    JOBS = "jobs", "Start and cancel jobs"
    ADMIN = "admin", "Manage projects, people and tokens"
