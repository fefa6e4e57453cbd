"""Abstract models that every app may use."""

import uuid

from django.db import models
from django.utils import timezone


class UUIDModel(models.Model):
    """A row whose key may be seen in URLs and on disk."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    class Meta:
        abstract = True
