"""Log lines: structured, with the request's id, without secrets."""

import json
import logging
from types import SimpleNamespace

import pytest
import structlog

from gateway import logs


@pytest.fixture
def lines():
    """What structured logging wrote, as objects."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record):
            written.append(self.format(record))

    config = logs.logging_settings("json")["formatters"]["structured"]
    keep = Keep()
    options = {key: value for key, value in config.items() if key != "()"}
    keep.setFormatter(structlog.stdlib.ProcessorFormatter(**options))
    logger = logging.getLogger("portolan")
    logger.addHandler(keep)
    before, logger.level = logger.level, logging.INFO
    yield lambda: [json.loads(line) for line in written]
    logger.removeHandler(keep)
    logger.setLevel(before)
    structlog.contextvars.clear_contextvars()


def test_an_answer_carries_the_given_request_id(client, db):
    assert client.get("/healthz", headers={"X-Request-ID": "abc-12345"}).headers["X-Request-ID"] == "abc-12345"


@pytest.mark.parametrize("odd", ["", "short", "a" * 65, "with blank in it", "line\tbreak-here"])
def test_an_odd_request_id_is_replaced(client, db, odd):
    answer = client.get("/healthz", headers={"X-Request-ID": odd})
    assert answer.headers["X-Request-ID"] != odd
    assert logs.GOOD_ID.fullmatch(answer.headers["X-Request-ID"])


def test_one_line_says_what_was_asked_and_how_it_ended(client, db, lines):
    client.get("/api/v1/nothing-here/?q=word", headers={"X-Request-ID": "abc-12345"})
    (line,) = [found for found in lines() if found["event"] == "request"]
    assert line["request_id"] == "abc-12345"
    assert line["path"] == "/api/v1/nothing-here/"
    assert line["status"] == 404
    assert "word" not in json.dumps(line)


@pytest.mark.parametrize(
    "text",
    [
        "used ptl_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG now",
        "Authorization: Bearer 0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        "PATCH /uploads/0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        "postgres://portolan:0123456789abcdefghij@db/portolan",
    ],
)
def test_what_looks_like_a_secret_is_not_written(lines, text):
    logging.getLogger("portolan.test").info(text)
    structlog.get_logger("portolan.test").info("said", detail={"text": [text], "password": "0123456789abcdefghij"})
    assert len(lines()) == 2
    assert "0123456789abcdefghij" not in json.dumps(lines())


def test_a_task_takes_over_the_id_of_the_request_that_queued_it():
    headers: dict[str, str] = {}
    structlog.contextvars.bind_contextvars(request_id="abc-12345")
    logs._send_id(headers=headers)
    structlog.contextvars.clear_contextvars()
    task = SimpleNamespace(name="jobs.tasks.advance", request=SimpleNamespace(headers=headers, request_id=None))
    logs._take_id(task_id="1", task=task)
    assert structlog.contextvars.get_contextvars()["request_id"] == "abc-12345"
    structlog.contextvars.clear_contextvars()
