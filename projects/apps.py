"""Django's handle on the app."""

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    """The ``projects`` app."""

    name = "projects"
    default_auto_field = "django.db.models.BigAutoField"
