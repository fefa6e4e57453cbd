import asyncio
import json

import pytest

from gateway.limits import BodyLimit

LIMIT = 1000


class Client:
    """An ASGI client that sends ``pieces`` and counts how many were read before the answer began."""

    def __init__(self, pieces, announced=None, path="/api/v1/projects/"):
        self.pieces, self.read, self.sent, self.read_before_answer = list(pieces), 0, [], None
        headers = [(b"content-length", str(announced).encode())] if announced is not None else []
        self.scope = {"type": "http", "path": path, "headers": headers}

    async def receive(self):
        self.read += 1
        body = self.pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.pieces)}

    async def send(self, message):
        if self.read_before_answer is None:
            self.read_before_answer = self.read
        self.sent.append(message)

    def ask(self, application):
        asyncio.run(BodyLimit(application, LIMIT)(self.scope, self.receive, self.send))
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent)


async def echo(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def test_a_body_within_the_limit_passes():
    client = Client([b"x" * 400, b"y" * 600]).ask(echo)
    assert (client.status, len(client.body)) == (200, 1000)


def test_an_announced_length_is_refused_before_anything_is_read():
    client = Client([b"x" * 500] * 20, announced=10_000).ask(echo)
    assert client.status == 413
    assert client.read_before_answer == 0
    assert json.loads(client.body)["code"] == "too_large"
    assert not client.pieces, "the client could finish sending, so that it sees the answer"


def test_a_length_that_was_not_announced_is_refused_when_it_passes_the_limit():
    client = Client([b"x" * 500] * 20).ask(echo)
    assert client.status == 413
    assert client.read_before_answer == 3


def test_a_page_is_refused_in_plain_words():
    client = Client([b"x" * 2000], announced=2000, path="/projects/new/").ask(echo)
    assert client.status == 413
    assert b"at most" in client.body


def test_an_endless_body_is_cut_off(monkeypatch):
    monkeypatch.setattr("gateway.limits.DRAINED_BYTES", 5000)
    client = Client([b"x" * 500] * 1000, announced=500_000).ask(echo)
    assert client.read <= 10


@pytest.mark.parametrize("announced", ["-5", "many", ""])
def test_a_length_that_is_no_number_is_counted_instead(announced):
    client = Client([b"x" * 2000], announced=announced).ask(echo)
    assert client.status == 413
