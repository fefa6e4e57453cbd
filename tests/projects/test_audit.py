"""The trail is one unbroken chain for each project, whoever writes at once, and what breaks it is found."""

import re
import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.models import User
from projects import append_only, audit
from projects.audit import Link, record
from projects.chain import START, canonical, digest_of
from projects.models import AppendOnly, AuditChain, AuditEvent, Project

pytestmark = pytest.mark.django_db
WRITERS, EACH = 6, 8


def chain_of(project):
    return list(AuditEvent.objects.filter(project=project).order_by("sequence"))


def problems(expected=None):
    return [verdict.problem for verdict in audit.verify(expected) if verdict.problem]


def break_in(*statements):
    """What somebody with the database's password can do."""
    with connection.cursor() as cursor:
        for statement in append_only.removal(connection.vendor):
            cursor.execute(statement)
        for statement, values in statements:
            cursor.execute(statement, values)
        for statement in append_only.statements(connection.vendor):
            cursor.execute(statement)


def test_each_event_seals_the_one_before(bare_project, owner):
    for number in range(3):
        record(bare_project, owner, "project.renamed", f"name {number}", before={"size": 1e22, "part": 0.1, "n": None})
    record(None, owner, "account.suspended", "somebody", why="Left.")
    first, second, third = chain_of(bare_project)
    assert (first.sequence, second.sequence, third.sequence) == (1, 2, 3)
    assert (first.previous, second.previous, third.previous) == (START, first.digest, second.digest)
    assert all(event.digest == digest_of(event.sealed) for event in (first, second, third))
    assert [event.sequence for event in chain_of(None)] == [1]
    assert problems() == []


def test_the_sealed_form_is_a_promise(bare_project, owner):
    event = record(bare_project, owner, "member.added", "Zoë", role="viewer")
    sealed = chain_of(bare_project)[0].sealed
    at = event.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert canonical(sealed).decode() == (
        f'{{"action":"member.added","actor":"{owner.pk}","actor_name":"owner","at":"{at}","details":{{"role":"viewer"}},'
        f'"id":"{event.uid}","previous":"{START}","project":"{bare_project.pk}","sequence":1,"subject":"Zo\\u00eb"}}'
    )


def test_numbers_are_sealed_as_every_database_gives_them_back(bare_project, owner):
    record(
        bare_project, owner, "x", big=1e22, whole=4.0, small=1e-7, negative=-0.0, true=True, deep=[{"a": [1.5, 2.0]}]
    )
    assert problems() == []


def test_code_can_only_add(bare_project, owner):
    event = record(bare_project, owner, "x")
    event.subject = "other"
    for change in (event.save, event.delete, AuditEvent.objects.all().delete, AuditEvent.objects.filter(pk=1).delete):
        with pytest.raises(AppendOnly):
            change()
    with pytest.raises(AppendOnly):
        AuditEvent.objects.update(subject="other")


@pytest.mark.parametrize(
    "statement", ["UPDATE projects_auditevent SET subject = 'other'", "DELETE FROM projects_auditevent"]
)
def test_the_database_refuses_the_rest(bare_project, owner, statement):
    record(bare_project, owner, "x")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert problems() == []


def test_an_account_that_is_gone_leaves_the_trail_whole(bare_project, stranger):
    record(bare_project, stranger, "member.left", "stranger")
    stranger.delete()
    event = AuditEvent.objects.select_related("actor").get(action="member.left")
    assert (event.actor, event.actor_name) == (None, "stranger")
    assert problems() == []


def test_a_name_that_is_too_long_is_cut(bare_project):
    user = User.objects.create(username="long", first_name="a" * 150, last_name="b" * 150)
    assert record(bare_project, user, "x", "s" * 400).actor_name == "a" * 150
    assert problems() == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE projects_auditevent SET subject = 'b' WHERE sequence = 3", "event 3 .* does not say what it said"),
        ("UPDATE projects_auditevent SET actor_id = NULL WHERE sequence = 2", "event 2 .* does not say what it said"),
        (
            "UPDATE projects_auditevent SET at = '2020-01-01 00:00:00+00:00' WHERE sequence = 1",
            "event 1 .* does not",
        ),
        ("UPDATE projects_auditevent SET project_id = NULL WHERE sequence = 5", "event 1 is missing before event 5"),
        ("DELETE FROM projects_auditevent WHERE sequence = 1", "event 1 is missing before event 2"),
        ("DELETE FROM projects_auditevent WHERE sequence = 3", "event 3 is missing before event 4"),
        ("DELETE FROM projects_auditevent WHERE sequence >= 4", "event 4 and what followed, up to event 5, is missing"),
        ("DELETE FROM projects_auditchain", "event 5 is the last, and the chain's own note"),
        ("UPDATE projects_auditchain SET head = ''", "event 5 is the last, and the chain's own note"),
        ("UPDATE projects_auditevent SET sequence = sequence + 10 WHERE sequence = 5", "event 5 is missing before"),
    ],
)
def test_the_first_broken_link_is_named(bare_project, owner, statement, said):
    for number in range(5):
        record(bare_project, owner, "x", str(number))
    break_in((statement, []))
    assert any(re.search(said, problem) for problem in problems()), problems()


def rewrite(project, keep):
    """Somebody clever: everything after ``keep`` is dropped and the chain's note says so."""
    last = chain_of(project)[keep - 1]
    break_in(
        ("DELETE FROM projects_auditevent WHERE sequence > %s", [keep]),
        ("UPDATE projects_auditchain SET length = %s, head = %s", [keep, last.digest]),
    )


def test_a_clever_truncation_is_found_by_a_head_that_was_noted(bare_project, owner):
    for number in range(5):
        record(bare_project, owner, "x", str(number))
    noted = [verdict.head for verdict in audit.verify()]
    record(bare_project, owner, "x", "later")
    assert problems(noted) == []
    rewrite(bare_project, 3)
    assert problems() == []
    assert problems(noted) == ["event 4 and what followed, up to event 5, is missing"]
    for number in range(5):
        record(bare_project, owner, "x", f"false {number}")
    assert problems() == []
    assert "was written anew" in problems(noted)[0]


def test_a_chain_that_is_gone_altogether_is_found_by_its_head(bare_project):
    noted = [Link(project=bare_project.pk, sequence=2, digest="a" * 64)]
    assert problems(noted) == ["event 1 and what followed, up to event 2, is missing"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("own", [True, False])
def test_writers_at_once_make_one_chain(bare_project, owner, own):
    def write(number):
        try:
            for turn in range(EACH):
                with transaction.atomic():
                    record(None if own else bare_project, owner, "x", f"{number}.{turn}")
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=[number]) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    events = chain_of(None if own else bare_project)
    assert [event.sequence for event in events] == list(range(1, WRITERS * EACH + 1))
    assert problems() == []


@pytest.mark.django_db(transaction=True)
def test_what_was_written_before_is_sealed_by_the_migration(bare_project, owner):
    here, before = [("projects", "0006_append_only")], [("projects", "0004_events_of_the_gateway")]
    latest = [node for node in MigrationExecutor(connection).loader.graph.leaf_nodes()]
    executor = MigrationExecutor(connection)
    executor.migrate(before)
    try:
        old = executor.loader.project_state(before).apps.get_model("projects", "AuditEvent")
        for number in range(3):
            at = timezone.now() - timedelta(days=3 - number)
            old.objects.create(
                project_id=bare_project.pk,
                actor_id=owner.pk,
                actor_name="owner",
                action="x",
                subject=str(number),
                at=at,
            )
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(here)
        MigrationExecutor(connection).migrate(latest)
    assert [(event.sequence, event.subject) for event in chain_of(bare_project)] == [(1, "0"), (2, "1"), (3, "2")]
    assert AuditChain.objects.get(project=bare_project).length == 3
    record(Project.objects.get(pk=bare_project.pk), owner, "x")
    assert problems() == []
