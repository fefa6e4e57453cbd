"""Projects, their members, and the trail of what people changed."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import User
from common.models import UUIDModel
from projects.roles import Role


class ProjectQuerySet(models.QuerySet["Project"]):
    """Querysets know visibility."""

    def visible_to(self, user: User) -> ProjectQuerySet:
        """Projects where ``user`` is a member now and, with a token, that the token is not kept from."""
        now = timezone.now()
        in_force = models.Q(until__isnull=True) | models.Q(until__gt=now)
        mine = Membership.objects.filter(in_force, user=user)
        found = self.filter(pk__in=mine.values("project"))
        if user.token is not None and user.token.project_ids:
            found = found.filter(pk__in=user.token.project_ids)
        return found

    def with_running(self) -> ProjectQuerySet:
        """Each with ``running``, its number of jobs that have not ended; the ended ones are not looked at."""
        under_way = models.FilteredRelation("jobs", condition=models.Q(jobs__finished_at__isnull=True))
        return self.annotate(under_way=under_way, running=models.Count("under_way", distinct=True))


class Project(UUIDModel):
    """People, a folder, and what was done in it."""

    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=4000)
    archived_at = models.DateTimeField(null=True, blank=True)
    cloned_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="clones")

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def archived(self) -> bool:
        """True when the project is kept for reading only."""
        return self.archived_at is not None


class Membership(UUIDModel):
    """A person's role in a project, until a day where one is given."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)
    until = models.DateTimeField(null=True, blank=True)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "user"], name="member_once")]
        ordering: ClassVar = ["created_at"]

    @property
    def in_force(self) -> bool:
        """True until its end date has passed."""
        return self.until is None or self.until > timezone.now()


class AuditEvent(models.Model):
    """One change of people or of state, kept for good: who, whom, what, why."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="audit_events")
    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=300, blank=True)
    details: models.JSONField = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["project", "-id"], name="trail_of_project")]
