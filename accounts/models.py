"""People, the institutes' names for them, and the tokens of their scripts."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.credentials import AccessToken
from accounts.entitlements import name_of
from accounts.scopes import Scope
from common.models import UUIDModel


class User(AbstractUser):
    """A person. ``token`` is set while a request is made with a personal or an access token.

    ``seen_as`` is (project, role) while the person looks at that project as somebody with a weaker role would.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    posix_account = models.CharField(
        max_length=32, blank=True, help_text="Their account (name or uid) where storage sites mirror roles into ACLs."
    )
    suspended_why = models.CharField(max_length=300, blank=True, help_text="Why the account is closed, where it is.")
    policy_version = models.CharField(
        max_length=100, blank=True, help_text="The version of the usage policy accepted last."
    )
    session_epoch = models.PositiveIntegerField(default=0, help_text="One more ends every session of this person.")
    token: ApiToken | AccessToken | None = None
    seen_as: tuple[uuid.UUID, str] | None = None

    @property
    def display_name(self) -> str:
        """The name to show: the full name where known, else the user name."""
        return self.get_full_name() or self.username

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session must hold to count: it changes with the password and with ``session_epoch``."""
        return salted_hmac(
            "portolan.session", f"{self.password}:{self.session_epoch}", secret=secret, algorithm="sha256"
        ).hexdigest()

    def allows_scope(self, scope: Scope) -> bool:
        """True when the credential in use covers ``scope`` (a browser session covers all)."""
        return self.token is None or scope in self.token.scopes


class ExternalIdentity(UUIDModel):
    """An institute login: the pair (issuer, subject) is the key, never the e-mail."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    issuer = models.URLField(max_length=300)
    subject = models.CharField(max_length=300)
    told_as = models.CharField(max_length=300, blank=True, help_text="Name or e-mail as told; shown, never looked up.")
    refresh_token = models.TextField(blank=True, help_text="Sealed; with it the provider tells the groups of now.")
    confirmed_at = models.DateTimeField(null=True, blank=True, help_text="When the provider last told the groups.")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When a refresh was last begun.")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["issuer", "subject"], name="identity_once")]
        indexes: ClassVar = [models.Index(fields=["confirmed_at"], name="identities_due")]


class InstituteSession(UUIDModel):
    """A browser session that began with an institute's login, so that the institute can end it (``sid``: its name)."""

    identity = models.ForeignKey(ExternalIdentity, on_delete=models.CASCADE, related_name="sessions")
    sid = models.CharField(max_length=255, blank=True, db_index=True)
    session_key = models.CharField(max_length=40, unique=True)


class PolicyAcceptance(UUIDModel):
    """A person accepted a version of the usage policy, when the row was made."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="policies")
    version = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the text.")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "version"], name="policy_once")]


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


class GroupQuerySet(models.QuerySet["Group"]):
    """Querysets know who is in."""

    def of(self, user: User) -> GroupQuerySet:
        """Groups that ``user`` is in now, by themselves or by being in one of their subgroups."""
        return self.filter(pk__in=Seat.objects.members().filter(user=user).values("group"))


class Group(UUIDModel):
    """People who get roles together: a group of an institute's AAI, or one that people keep here (no issuer).

    A group of an AAI is the triple (issuer, namespace, path); the path is as the AAI writes it, compared and never
    decoded. All its outer groups have rows as well.
    """

    issuer = models.CharField(max_length=300, blank=True)
    namespace = models.CharField(max_length=300, blank=True)
    path = models.CharField(max_length=1024)
    name = models.CharField(max_length=120, blank=True, help_text="Of a group that is kept here.")
    description = models.CharField(max_length=500, blank=True)

    objects = GroupQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["issuer", "namespace", "path"], name="group_once")]

    def __str__(self) -> str:
        return self.display_name

    @property
    def local(self) -> bool:
        """True for a group that people keep here."""
        return self.issuer == ""

    @property
    def display_name(self) -> str:
        """The name to show."""
        return self.name if self.local else name_of(self.path)

    @property
    def urn(self) -> str:
        """What the AAI calls it; empty for a group that is kept here."""
        return "" if self.local else f"{self.namespace}:group:{self.path}"


class SeatQuerySet(models.QuerySet["Seat"]):
    """Querysets know what is in force."""

    def in_force(self) -> SeatQuerySet:
        """Seats that count now: not ended, and of people whose account is open."""
        return self.filter(ended_at=None, user__is_active=True)

    def members(self) -> SeatQuerySet:
        """Seats that count now and say membership of the group or of one of its subgroups."""
        return self.in_force().filter(models.Q(direct=True) | models.Q(role=""))


class Seat(UUIDModel):
    """Somebody in a group, as an identity's entitlements say (``identity``) or as its keepers here have put down.

    ``role`` is the AAI's word; one row for each. ``direct`` says membership of this very group; without it, a row
    without a role says membership of a subgroup, and one with a role says just that role. Ended seats are kept, so that
    it can be told why somebody had access.
    """

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="seats")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="seats")
    identity = models.ForeignKey(
        ExternalIdentity, null=True, blank=True, on_delete=models.CASCADE, related_name="seats"
    )
    role = models.CharField(max_length=300, blank=True)
    direct = models.BooleanField(default=True)
    keeper = models.BooleanField(default=False, help_text="May change who is in a group that is kept here.")
    seen_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = SeatQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "identity", "role", "direct"], name="seat_of_identity_once"),
            models.UniqueConstraint(
                fields=["group", "user"], condition=models.Q(identity__isnull=True), name="seat_of_user_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "group"], condition=models.Q(ended_at=None), name="seats_now")
        ]
