"""Django's handle on the app."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """The ``storage`` app."""

    name = "storage"
    default_auto_field = "django.db.models.BigAutoField"
