"""Projects, their members, and the trail of what people changed."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Case, Count, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest, Least
from django.utils import timezone

from accounts.models import Group, User
from common.models import UUIDModel
from projects.chain import Sealed
from projects.roles import RANK, Role

_RANK = Case(*[When(role=role, then=rank) for role, rank in RANK.items()], output_field=models.IntegerField())


def _in_force() -> Q:
    return Q(until__isnull=True) | Q(until__gt=timezone.now())


class ProjectQuerySet(models.QuerySet["Project"]):
    """Querysets know visibility."""

    def visible_to(self, user: User) -> ProjectQuerySet:
        """Projects in which ``user`` has a role now and, with a token, that the token is not kept from."""
        own, through_groups = Membership.objects.now_of(user), GroupGrant.objects.now_of(user)
        found = self.filter(Q(pk__in=own.values("project")) | Q(pk__in=through_groups.values("project")))
        if user.token is not None and user.token.project_ids:
            found = found.filter(pk__in=user.token.project_ids)
        return found

    def with_role(self, user: User) -> ProjectQuerySet:
        """Each with ``my_role``, the strongest role that ``user`` has in it now."""
        own = Membership.objects.now_of(user).filter(project=OuterRef("pk")).annotate(rank=_RANK)
        through = GroupGrant.objects.now_of(user).filter(project=OuterRef("pk")).annotate(rank=_RANK).order_by("-rank")
        found = [Coalesce(Subquery(rows.values("rank")[:1]), -1) for rows in (own, through)]
        best: Any = Greatest(*found)
        if user.seen_as is not None:
            project, role = user.seen_as
            best = Case(When(pk=project, then=Least(best, RANK[role])), default=best)
        words = [When(best=rank, then=Value(role)) for role, rank in RANK.items()]
        return self.annotate(best=best).annotate(my_role=Case(*words, default=None, output_field=models.CharField()))

    def with_people(self) -> ProjectQuerySet:
        """Each with ``people`` and ``groups``, how many of each were given a role that counts now."""
        found: dict[str, Any] = {
            "people": Membership.objects.in_force(),
            "groups": GroupGrant.objects.in_force().order_by(),
        }
        for name, rows in found.items():
            counted = rows.filter(project=OuterRef("pk")).values("project").annotate(all=Count("pk")).values("all")
            self = self.annotate(**{name: Coalesce(Subquery(counted), 0)})
        return self

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


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Querysets know what is in force."""

    def in_force(self) -> MembershipQuerySet:
        """What counts now: the end has not come, and the account is not suspended."""
        return self.filter(_in_force(), user__is_active=True).order_by()

    def now_of(self, user: User) -> MembershipQuerySet:
        """What ``user`` was given themselves and holds now."""
        return self.in_force().filter(user=user.pk)


class Membership(UUIDModel):
    """A person's role in a project, until a day where one is given."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)
    purpose = models.CharField(max_length=300, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "user"], name="member_once")]
        ordering: ClassVar = ["created_at"]

    @property
    def in_force(self) -> bool:
        """True until its end date has passed."""
        return self.until is None or self.until > timezone.now()


class GroupGrantQuerySet(models.QuerySet["GroupGrant"]):
    """Querysets know what is in force, and for whom."""

    def in_force(self) -> GroupGrantQuerySet:
        """Grants whose end has not come."""
        return self.filter(_in_force())

    def seated(self, more: Q | None = None) -> GroupGrantQuerySet:
        """One row for each seat that gives a grant's role now; ``group__seats__…`` tells whose. ``more`` narrows it."""
        reached = Q(group__seats__direct=True) | Q(with_subgroups=True, group__seats__role="")
        member, holder = Q(aai_role="") & reached, ~Q(aai_role="") & Q(aai_role=F("group__seats__role"))
        now = Q(group__seats__ended_at=None, group__seats__user__is_active=True)
        # One call of filter(): all of it is asked of the same seat.
        return self.in_force().filter(now & (member | holder) & (more or Q())).order_by()

    def with_people(self) -> GroupGrantQuerySet:
        """Each with ``people``, how many persons get its role now."""
        rows: Any = GroupGrant.objects.seated(Q(pk=OuterRef("pk"))).values("pk")
        counted = rows.annotate(all=Count("group__seats__user", distinct=True)).values("all")
        return self.annotate(people=Coalesce(Subquery(counted), 0))

    def now_of(self, user: User) -> GroupGrantQuerySet:
        """What gives ``user`` a role through a group now; the same grant may come more than once."""
        return self.seated(Q(group__seats__user=user.pk))


class GroupGrant(UUIDModel):
    """A project role for who is in a group: just in it, in its subgroups too, or holding a role of the AAI in it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="grants")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="grants")
    with_subgroups = models.BooleanField(default=False)
    aai_role = models.CharField(max_length=300, blank=True)
    role = models.CharField(max_length=12, choices=Role.choices)
    purpose = models.CharField(max_length=300)
    until = models.DateTimeField(null=True, blank=True)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = GroupGrantQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "group", "aai_role"], name="grant_once"),
        ]
        ordering: ClassVar = ["-created_at", "id"]

    @property
    def in_force(self) -> bool:
        """True until its end date has passed."""
        return self.until is None or self.until > timezone.now()

    @property
    def who(self) -> str:
        """For whom it is, in words."""
        if self.aai_role:
            return f"{self.group.display_name}, only with the role “{self.aai_role}”"
        return f"{self.group.display_name}, with subgroups" if self.with_subgroups else self.group.display_name


class Invitation(UUIDModel):
    """A link that makes whoever opens it, signed in, a member: once, until it ends; kept as a hash."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=12, choices=Role.choices)
    purpose = models.CharField(max_length=300, blank=True)
    until = models.DateTimeField(null=True, blank=True, help_text="When the membership ends.")
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField(help_text="When the link ends.")
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    @property
    def state(self) -> str:
        """``open``, ``used``, ``revoked`` or ``ended``."""
        if self.used_at is not None:
            return "used"
        if self.revoked_at is not None:
            return "revoked"
        return "open" if self.expires_at > timezone.now() else "ended"


class RequestState(models.TextChoices):
    """How a request for access stands."""

    WAITING = "waiting", "Waiting"
    APPROVED = "approved", "Approved"
    DECLINED = "declined", "Declined"
    WITHDRAWN = "withdrawn", "Withdrawn"


class AccessRequest(UUIDModel):
    """Somebody asks to be let into a project whose address they have.

    The address need not be one of a project that exists: who asks sees the same either way.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, db_constraint=False, related_name="requests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_requests")
    purpose = models.CharField(max_length=500)
    state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.WAITING)
    answer = models.CharField(max_length=300, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "user"], condition=Q(state="waiting"), name="one_waiting_request"
            )
        ]


class AppendOnly(RuntimeError):
    """Code tried to change or delete an event of the trail."""

    def __init__(self) -> None:
        super().__init__("The audit trail is append-only.")


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Events are added and read; the database refuses the rest too."""

    def update(self, **_: Any) -> int:  # noqa: D102
        raise AppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:  # noqa: D102
        raise AppendOnly


class AuditEvent(models.Model):
    """One change of people or of state, kept for good: who, whom, what, why. ``projects.audit.record`` writes it."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(
        Project, null=True, on_delete=models.PROTECT, related_name="audit_events", help_text="None: the gateway itself."
    )
    sequence = models.PositiveBigIntegerField(help_text="1, 2, 3… in its chain.")
    at = models.DateTimeField(default=timezone.now, db_index=True)
    # No constraint and nothing done when an account is deleted: the event stays as it was written.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=300, blank=True)
    details: models.JSONField = models.JSONField(default=dict)
    previous = models.CharField(max_length=64, help_text="Digest of the event before it in the chain.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of this event and the one before it.")

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["project", "-id"], name="trail_of_project")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "sequence"], name="one_event_per_link"),
            models.UniqueConstraint(fields=["sequence"], condition=Q(project=None), name="one_event_per_own_link"),
        ]

    @property
    def sealed(self) -> Sealed:
        """What its digest covers."""
        return Sealed(
            project=self.project_id,
            sequence=self.sequence,
            uid=self.uid,
            at=self.at,
            actor=self.actor_id,
            actor_name=self.actor_name,
            action=self.action,
            subject=self.subject,
            details=self.details,
            previous=self.previous,
        )

    def save(self, *args: Any, **kwargs: Any) -> None:
        """The event is added; AppendOnly when it is there already."""
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:  # noqa: D102
        raise AppendOnly


class AuditChain(models.Model):
    """The end of a chain of events: how long it is, and the digest of the last. ``project`` None: the gateway's own."""

    project = models.OneToOneField(Project, null=True, on_delete=models.PROTECT, related_name="audit_chain")
    length = models.PositiveBigIntegerField(default=0)
    head = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(models.Value(1), condition=Q(project=None), name="one_own_chain"),
        ]
