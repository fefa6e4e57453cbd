"""People, the institutes' names for them, and the tokens of their scripts."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from accounts.scopes import Scope
from common.models import UUIDModel


class User(AbstractUser):
    """A person. ``token`` is set while a request is made with a personal token."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token: ApiToken | None = None

    @property
    def display_name(self) -> str:
        """The name to show: the full name where known, else the user name."""
        return self.get_full_name() or self.username

    def allows_scope(self, scope: Scope) -> bool:
        """True when the credential in use covers ``scope`` (a browser session covers all)."""
        return self.token is None or scope in self.token.scopes


class ExternalIdentity(UUIDModel):
    """An institute login: the pair (issuer, subject) is the key, never the e-mail."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    issuer = models.URLField(max_length=300)
    subject = models.CharField(max_length=300)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["issuer", "subject"], name="identity_once")]


class ApiToken(UUIDModel):
    """A personal token: stored as a hash, with scopes, projects and an end."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    label = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    scopes: models.JSONField = models.JSONField(default=list)
    project_ids: models.JSONField = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    @property
    def usable(self) -> bool:
        """True until the token is revoked or has ended."""
        return self.revoked_at is None and self.expires_at > timezone.now()
