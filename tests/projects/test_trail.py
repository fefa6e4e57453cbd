"""The trail is found by who, what, when and words, leaves as files, and is verified by a command."""

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects import append_only, trail
from projects.audit import record
from projects.models import AuditEvent
from projects.trail import Asked, find, lines

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def told(bare_project, owner, manager, monkeypatch):
    """A trail of four events on four days."""
    for day, (who, action, subject, details) in enumerate(
        [
            (owner, "project.created", "Apoferritin", {}),
            (owner, "member.added", "Zoë", {"role": "viewer"}),
            (manager, "member.removed", "ada", {"why": "Groß angekündigt, 100 %"}),
            (None, "files.purged", "=cmd|' /C calc'!A0", {"bytes": 3}),
        ]
    ):
        monkeypatch.setattr("projects.audit.timezone.now", lambda day=day: NOW + timedelta(days=day))
        record(bare_project, who, action, subject, **details)
    monkeypatch.undo()
    return bare_project


def subjects(project, **asked):
    return [event.sequence for event in find(project, Asked(**asked))]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"person": "OWN"}, [2, 1]),
        ({"person": "portolan"}, [4]),
        ({"action": "member"}, [3, 2]),
        ({"action": "member.added"}, [2]),
        ({"action": "mem"}, []),
        ({"since": NOW + timedelta(days=1)}, [4, 3, 2]),
        ({"until": NOW + timedelta(days=1)}, [1]),
        ({"text": "zoë"}, [2]),
        ({"text": "Groß"}, [3]),
        ({"text": "100 %"}, [3]),
        ({"text": "%"}, [3]),
        ({"text": "'; DROP TABLE x"}, []),
        ({"person": "manager", "text": "angekündigt", "action": "member"}, [3]),
    ],
)
def test_events_are_found(told, asked, found):
    assert subjects(told, **asked) == found


def test_a_trail_is_of_its_own_project(told, owner):
    record(None, owner, "account.suspended", "ada")
    assert subjects(None) == [1]
    assert len(subjects(told)) == 4


def test_csv_holds_no_formula(told):
    rows = list(csv.DictReader(io.StringIO(b"".join(lines(find(told, Asked()), "csv")).decode())))
    assert [row["sequence"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[3]["subject"] == "'=cmd|' /C calc'!A0"
    assert rows[1]["subject"] == "Zoë"
    assert json.loads(rows[2]["details"]) == {"why": "Groß angekündigt, 100 %"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r", "  =1+1", "＝"])
def test_every_start_of_a_formula_is_defused(bare_project, owner, start):
    record(bare_project, owner, "x", f"{start}1+1")
    row = list(csv.reader(io.StringIO(b"".join(lines(find(bare_project, Asked()), "csv")).decode(), newline="")))[1]
    assert row[5] == f"'{start}1+1"


def test_from_json_lines_anybody_computes_the_chain(told):
    previous = "0" * 64
    for line in b"".join(lines(find(told, Asked()), "jsonl")).splitlines():
        event = json.loads(line)
        digest = event.pop("digest")
        assert event["previous"] == previous
        text = json.dumps(event, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == digest
        previous = digest


def test_a_long_trail_leaves_in_parts(told, owner, monkeypatch):
    monkeypatch.setattr(trail, "AT_ONCE", 2)
    with CaptureQueriesContext(connection) as asked:
        whole = b"".join(lines(find(told, Asked()), "jsonl"))
    assert (len(whole.splitlines()), len(asked)) == (4, 3)


def test_the_page_filters_and_gives_files(told, browser_of, viewer, stranger):
    page, client = f"/projects/{told.pk}/activity/", browser_of(viewer)
    shown = client.get(page, {"action": "member", "person": "owner", "since": "2026-05-05", "until": "2026-05-05"})
    assert "Zoë" in shown.text
    assert "Apoferritin</strong>" not in shown.text
    assert "Nothing fits" in client.get(page, {"text": "no such word"}).text
    wrong = client.get(page, {"since": "yesterday"})
    assert (wrong.status_code, "Write the day as" in wrong.text) == (400, True)
    answer = client.get(f"{page}file/", {"form": "csv", "action": "member"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="activity.csv"'
    assert len(b"".join(answer.streaming_content).splitlines()) == 3
    assert client.get(f"{page}file/", {"form": "exe"}).status_code == 400
    assert client.get(f"{page}file/", {"since": "x"}).status_code == 400
    assert browser_of(stranger).get(f"{page}file/").status_code == 404


def test_operators_read_the_gateways_own_trail(browser_of, operator, owner):
    record(None, operator, "account.suspended", "mallory", why="Left.")
    assert "mallory" in browser_of(operator).get("/operator/activity/").text
    assert b"mallory" in b"".join(browser_of(operator).get("/operator/activity/file/").streaming_content)
    for address in ("", "file/"):
        assert browser_of(owner).get(f"/operator/activity/{address}").status_code == 404


def verified(*words):
    out = io.StringIO()
    call_command("verify_audit", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_the_command_prints_heads_and_checks_them_another_day(told, owner, tmp_path):
    noted = tmp_path / "heads"
    noted.write_text(verified())
    assert noted.read_text().split()[:2] == [str(told.pk), "4"]
    record(told, owner, "x")
    verified("--expect", str(noted))
    noted.write_text(noted.read_text().replace(" 4 ", " 9 "))
    with pytest.raises(CommandError, match="1 of 1 chains"):
        verified("--expect", str(noted))


def test_the_command_names_the_first_broken_link(told):
    with connection.cursor() as cursor:
        for statement in append_only.removal(connection.vendor):
            cursor.execute(statement)
        cursor.execute("UPDATE projects_auditevent SET subject = 'bob' WHERE sequence = 2")
        for statement in append_only.statements(connection.vendor):
            cursor.execute(statement)
    told_of = io.StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("verify_audit", stdout=io.StringIO(), stderr=told_of)
    assert refused.value.returncode == 1
    event = AuditEvent.objects.get(sequence=2)
    assert f"BROKEN {told.pk}: event 2 ({event.uid}" in told_of.getvalue()


@pytest.mark.parametrize("text", ["x", "gateway 1 abc", f"gateway one {'a' * 64}", f"nobody 1 {'a' * 64}", "\udcff"])
def test_a_file_of_other_things_is_refused(db, tmp_path, text):
    noted = tmp_path / "heads"
    noted.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CommandError) as refused:
        verified("--expect", str(noted))
    assert refused.value.returncode == 2
    with pytest.raises(CommandError):
        verified("--expect", str(tmp_path / "nothing"))
