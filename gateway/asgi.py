"""The portal as an ASGI application."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django_application = get_asgi_application()

from gateway.database import pool_connections  # noqa: E402 - needs the settings
from gateway.limits import BodyLimit  # noqa: E402

pool_connections()

application = BodyLimit(django_application, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
