"""The way in: settings, routes, the API router, errors to HTTP."""

from gateway.celery import app as celery_app

__all__ = ["celery_app"]
