"""Whatever goes wrong under /api/, the answer is a problem document with a stable code."""

import json
import logging
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken
from accounts.scopes import Scope
from accounts.services import make_token, revoke_token
from gateway import errors
from projects.models import Project
from storage.services import files
from storage.services.folders import open_project
from tests.gateway.test_operations import is_problem, signed_in, with_token

PROJECTS = "/api/v1/projects/"


def bearer(secret):
    return Client(headers={"Authorization": f"Bearer {secret}"})


def test_an_unknown_address_is_a_problem_for_everybody(db):
    for path in ("/api/v1/", "/api/v1/nothing/", "/api/v1/projects", "/api/v2/projects/", "/api/", "/api/v1/jobs/x/"):
        for method in ("get", "post", "delete"):
            is_problem(getattr(Client(), method)(path), 404)


def test_a_method_that_is_not_there_is_405_and_says_which_are(owner):
    answer = signed_in(owner).delete("/api/v1/me/")
    is_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


def test_what_can_not_be_answered_in_that_form_is_406(owner):
    is_problem(signed_in(owner).get(PROJECTS, headers={"Accept": "text/turtle"}), 406, "not_acceptable")


def test_a_form_is_415(owner):
    is_problem(signed_in(owner).post(PROJECTS, {"name": "x"}), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b'{"name": "\\u0000"}',
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
        b'{"name": ' + b"9" * 5000 + b"}",
        b'{"name": 99999999999999999999}',
        b"[]",
        b'"text"',
        b"null",
    ],
)
def test_json_that_is_not_is_refused(owner, body):
    answer = signed_in(owner).post(PROJECTS, body, content_type="application/json")
    is_problem(answer, 400)
    assert not Project.objects.exists()


def test_a_body_over_the_limit_is_413_before_it_is_read(owner, monkeypatch):
    def read(*_args):
        raise AssertionError("the body was read")

    monkeypatch.setattr("django.test.client.FakePayload.read", read)
    monkeypatch.setattr("django.test.client.FakePayload.readline", read)
    answer = signed_in(owner).generic("POST", PROJECTS, b"x" * 10_485_760, content_type="application/json")
    is_problem(answer, 413, "too_large")


def test_why_a_token_is_refused_has_its_code(owner):
    ended, ended_secret = make_token(owner, label="ended", scopes=[Scope.READ])
    ApiToken.objects.filter(pk=ended.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    revoked, revoked_secret = make_token(owner, label="revoked", scopes=[Scope.READ])
    revoke_token(owner, revoked.pk)
    said = is_problem(bearer(ended_secret).get("/api/v1/me/"), 401, "token_ended")
    assert ended_secret not in json.dumps(said)
    is_problem(bearer(revoked_secret).get("/api/v1/me/"), 401, "token_revoked")
    is_problem(bearer("ptl_unknown").get("/api/v1/me/"), 401, "token_unknown")
    is_problem(bearer("two words").get("/api/v1/me/"), 401, "bad_authorization")
    is_problem(bearer("\xff").get("/api/v1/me/"), 401, "token_unknown")


def test_a_person_who_is_gone_has_no_token(owner):
    _, secret = make_token(owner, label="x", scopes=[Scope.READ])
    owner.is_active = False
    owner.save()
    is_problem(bearer(secret).get("/api/v1/me/"), 401, "token_unknown")


def test_an_error_that_nobody_expected_has_a_number_that_is_in_the_log(owner, monkeypatch, caplog):
    def broken(*_args, **_words):
        raise RuntimeError("the password is tiger")

    monkeypatch.setattr("storage.api.projects._described", broken)
    with caplog.at_level(logging.ERROR):
        said = is_problem(signed_in(owner).get(PROJECTS), 500, "internal_error")
    assert "tiger" not in json.dumps(said)
    told = [record for record in caplog.records if said["error_id"] in record.getMessage()]
    assert "tiger" in str(told[0].exc_info)


def test_an_error_in_a_middleware_is_a_problem_too(owner, monkeypatch):
    def broken(*_args, **_words):
        raise RuntimeError("the password is tiger")

    monkeypatch.setattr("django.contrib.auth.middleware.get_user", broken)
    monkeypatch.setattr("django.contrib.sessions.middleware.SessionMiddleware.process_request", broken)
    answer = Client(raise_request_exception=False).get(PROJECTS)
    said = is_problem(answer, 500, "internal_error")
    assert "tiger" not in json.dumps(said)
    assert said["error_id"]


def test_a_host_that_is_not_ours_is_a_problem(db):
    is_problem(Client(raise_request_exception=False).get(PROJECTS, headers={"Host": "evil.example"}), 400)


def test_every_answer_says_how_much_room_is_left(owner):
    answer = signed_in(owner).get(PROJECTS)
    assert int(answer.headers["RateLimit-Remaining"]) < int(answer.headers["RateLimit-Limit"])
    assert 0 < int(answer.headers["RateLimit-Reset"]) <= 61


def test_who_asks_too_often_is_429_until_the_minute_is_over(owner, stranger, settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    client = signed_in(owner)
    answers = [client.get("/api/v1/me/") for _ in range(8)]  # a minute may end in between, once
    refused = next(answer for answer in answers if answer.status_code == 429)
    is_problem(refused, 429, "throttled")
    assert 0 < int(refused.headers["Retry-After"]) <= 61
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert signed_in(stranger).get("/api/v1/me/").status_code == 200


def test_answers_are_kept_by_no_cache(owner):
    assert signed_in(owner).get(PROJECTS).headers["Cache-Control"] == "no-store"


def test_a_part_that_does_not_answer_says_when_to_ask_again(world, monkeypatch):
    def silent(*_args, **_words):
        raise errors.Unavailable("The disk does not answer.", code="disk_away")

    monkeypatch.setattr(files, "list_folder", silent)
    answer = signed_in(world.people["viewer"]).get(f"{PROJECTS}{world.project.pk}/files/")
    is_problem(answer, 503, "disk_away")
    assert answer.headers["Retry-After"] == "10"


def test_content_is_sent_in_parts_and_saved_twice_over(world):
    address = f"{PROJECTS}{world.project.pk}/files/content/"
    client, query = signed_in(world.people["viewer"]), {"path": "notes.txt"}
    whole = client.get(address, query)
    assert b"".join(whole.streaming_content) == b"Grid 7 looks good.\n"
    part = client.get(address, query, headers={"Range": "bytes=5-5", "Accept": "image/png"})
    assert part.status_code == 206
    assert part.headers["Content-Range"] == "bytes 5-5/19"
    assert b"".join(part.streaming_content) == b"7"
    assert client.get(address, query, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    outside = client.get(address, query, headers={"Range": "bytes=99-"})
    is_problem(outside, 416, "range_outside")
    assert outside.headers["Content-Range"] == "bytes */19"


def test_a_listing_goes_on_where_the_last_page_ended(world):
    for number in range(5):
        (world.root / "movies" / f"{number}.mrc").touch()
    client, names = with_token(world.people["viewer"]), []
    page = {"next": f"{PROJECTS}{world.project.pk}/files/?path=movies&page_size=3"}
    while page["next"]:
        page = client.get(page["next"]).json()
        assert len(page["results"]) <= 3
        names += [entry["name"] for entry in page["results"]]
    assert len(names) == len(set(names)) == 7


def test_something_of_another_project_is_not_there(world):
    client = signed_in(world.people["owner"])
    other = open_project(world.people["owner"], name="Another")
    address = f"{PROJECTS}{other.pk}"
    wanted = {"trash_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e06"}
    is_problem(client.post(f"{address}/files/restore/", wanted, content_type="application/json"), 404)
    is_problem(client.delete(f"{address}/uploads/3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e04/"), 404)
