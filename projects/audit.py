"""The trail of what people changed: one unbroken chain for each project, and one for the gateway itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from projects.chain import START, Sealed, digest_of
from projects.models import AuditChain, AuditEvent, Project

SUBJECT_LENGTH, NAME_LENGTH = 300, 150
AT_ONCE = 1000


def record(
    project: Project | None, actor: User | None, action: str, subject: str = "", **details: object
) -> AuditEvent:
    """One event says that ``actor`` did ``action``; call it in the transaction of the change itself.

    ``project`` None is for the gateway itself (accounts, sites). ``actor`` None is the portal's own doing (a retention
    rule). A token's use is told by its label, not its secret. Until the transaction ends, nobody else writes into this
    project's trail.
    """
    token = actor.token if actor is not None else None
    if token is not None:
        details["token"] = token.label
    with transaction.atomic():
        chain = _locked_chain(project)
        sealed = Sealed(
            project=project.pk if project is not None else None,
            sequence=chain.length + 1,
            uid=uuid.uuid4(),
            at=timezone.now(),
            actor=actor.pk if actor is not None else None,
            actor_name=(actor.display_name if actor is not None else "Portolan")[:NAME_LENGTH],
            action=action,
            subject=subject[:SUBJECT_LENGTH],
            details=details,
            previous=chain.head or START,
        )
        return _write(chain, sealed, actor)


def _locked_chain(project: Project | None) -> AuditChain:
    """The chain, ours until the transaction ends.

    A project's own row is the lock of its chain: services that change a project hold it already, so there is no
    second lock that two of them could take in another order. It lets rows that point at the project be written.
    """
    if project is not None:
        Project.objects.select_for_update(no_key=True).filter(pk=project.pk).values_list("pk").first()
    found = AuditChain.objects.select_for_update().filter(project=project).first()
    if found is None:
        AuditChain.objects.bulk_create([AuditChain(project=project)], ignore_conflicts=True)
        found = AuditChain.objects.select_for_update().get(project=project)
    return found


def _write(chain: AuditChain, sealed: Sealed, actor: User | None) -> AuditEvent:
    digest = digest_of(sealed)
    event = AuditEvent.objects.create(
        project_id=sealed.project,
        sequence=sealed.sequence,
        uid=sealed.uid,
        at=sealed.at,
        actor=actor,
        actor_name=sealed.actor_name,
        action=sealed.action,
        subject=sealed.subject,
        details=sealed.details,
        previous=sealed.previous,
        digest=digest,
    )
    AuditChain.objects.filter(pk=chain.pk).update(length=sealed.sequence, head=digest)
    return event


@dataclass(frozen=True, kw_only=True)
class Link:
    """How far a chain goes: ``project`` None is the gateway's own."""

    project: UUID | None
    sequence: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found of a chain; ``problem`` is empty for a whole one, else it names the first broken link."""

    head: Link
    problem: str = ""


def verify(expected: list[Link] | None = None) -> Iterator[Verdict]:
    """The verdict of every chain, the gateway's first; a chain that is ``expected`` and gone has one too.

    ``expected`` are heads that were noted before: each must still be where it was.
    """
    wanted: dict[UUID | None, list[Link]] = {}
    for link in expected or []:
        wanted.setdefault(link.project, []).append(link)
    chains = {chain.project_id: chain for chain in AuditChain.objects.all()}
    with_events = AuditEvent.objects.order_by().values_list("project", flat=True).distinct()
    known = {*chains, *with_events, *wanted}
    for project in sorted(known, key=lambda one: (one is not None, str(one))):
        yield _verdict(project, chains.get(project), wanted.get(project, []))


def _verdict(project: UUID | None, chain: AuditChain | None, expected: list[Link]) -> Verdict:
    head = Link(project=project, sequence=0, digest=START)
    noted = {link.sequence: link.digest for link in expected}
    events = AuditEvent.objects.filter(project=project).order_by("sequence")
    for event in events.iterator(chunk_size=AT_ONCE):
        problem = _problem(event, head, noted)
        if problem:
            return Verdict(head=head, problem=problem)
        head = Link(project=project, sequence=event.sequence, digest=event.digest)
    return Verdict(head=head, problem=_missing(head, chain, noted))


def _problem(event: AuditEvent, before: Link, noted: dict[int, str]) -> str:
    name = f"event {event.sequence} ({event.uid}, {event.at:%Y-%m-%d %H:%M:%S} UTC)"
    if event.sequence != before.sequence + 1:
        return f"event {before.sequence + 1} is missing before {name}"
    if event.previous != before.digest:
        return f"{name} does not follow event {before.sequence}: the digest before it is another one"
    if event.digest != digest_of(event.sealed):
        return f"{name} does not say what it said when it was written: its digest is another one"
    if noted.get(event.sequence, event.digest) != event.digest:
        return f"{name} is not the one that was noted: the chain was written anew"
    return ""


def _missing(head: Link, chain: AuditChain | None, noted: dict[int, str]) -> str:
    last = max([chain.length if chain is not None else 0, *noted])
    if last > head.sequence:
        return f"event {head.sequence + 1} and what followed, up to event {last}, is missing"
    if chain is None or (chain.length, chain.head or START) != (head.sequence, head.digest):
        return f"event {head.sequence} is the last, and the chain's own note of its end says otherwise"
    return ""
