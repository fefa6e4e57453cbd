"""The Celery application: a bell, never the truth."""

import os

from celery import Celery

from gateway.logs import connect_celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
app = Celery("portolan")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
connect_celery()
