"""What the demo accepts as a result, and what it does not."""

import json
import struct

import httpx
import pytest

from gateway.running import walk
from gateway.running.client import Gateway, Output, WalkFailed
from gateway.running.walk import check

TABLE = b"movie,total\nmic_001,4.5\n"


def mrc(columns=4, rows=4, sections=1) -> bytes:
    header = bytearray(1024)
    header[:16] = struct.pack("<4i", columns, rows, sections, 2)
    header[208:212] = b"MAP "
    return bytes(header) + bytes(4 * columns * rows * sections)


def output(name: str, path: str, content: bytes) -> Output:
    return Output(name=name, path=path, viewer="text", content=content)


@pytest.fixture
def promise(monkeypatch):
    """``promise(name…)`` makes the tool ``any`` promise these outputs."""

    def make(*names: str) -> None:
        monkeypatch.setitem(walk.OUTPUTS, "any", frozenset(names))
        monkeypatch.setitem(walk.SANE, "any", lambda outputs: "fine")

    return make


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("a.mrc", mrc()),
        ("a.json", b'{"mark": "line"}'),
        ("a.csv", TABLE),
        ("a.star", b"data_\nloop_\n"),
        ("a.log", b"x"),
    ],
)
def test_outputs_of_their_type_are_accepted(promise, path, content):
    promise("map")
    assert check("any", [output("map", path, content)])


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("a.mrc", mrc()[:-1]),
        ("a.mrc", b"MAP"),
        ("a.json", b"{"),
        ("a.csv", b"movie,total\n"),
        ("a.csv", b"a,b\n1,2,3\n"),
        ("a.png", b"GIF89a"),
        ("a.star", b"no table here"),
    ],
)
def test_outputs_of_another_type_or_cut_short_are_not(promise, path, content):
    promise("map")
    with pytest.raises(WalkFailed, match=r"a\."):
        check("any", [output("map", path, content)])


def test_a_declared_output_that_is_missing_is_named(promise):
    promise("map", "histogram")
    with pytest.raises(WalkFailed, match="histogram"):
        check("any", [output("map", "a.mrc", mrc())])


def gateway_that_answers(handler) -> Gateway:
    made = Gateway("http://portal", "ptl_secret")
    made.http = httpx.Client(base_url="http://portal/api/v1", transport=httpx.MockTransport(handler))
    return made


def test_an_output_with_other_bytes_than_its_result_says_is_refused():
    item = {"output": "map", "path": "jobs/1-x/a.txt", "viewer": "text", "size": 4, "sha256": "0" * 64}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/outputs/"):
            return httpx.Response(200, json={"results": [item]})
        return httpx.Response(200, content=b"four")

    with pytest.raises(WalkFailed, match="checksum"):
        gateway_that_answers(answer).outputs("p", "j")


def test_the_words_of_a_problem_document_are_passed_on():
    problem = {"code": "project_archived", "title": "“X” is archived."}
    gateway = gateway_that_answers(lambda request: httpx.Response(409, content=json.dumps(problem)))
    with pytest.raises(WalkFailed, match="project_archived"):
        gateway.call("POST", "/projects/p/jobs/", json={})


def test_paged_lists_are_read_to_their_end():
    pages = {"": {"results": [{"n": 1}], "next": "http://portal/api/v1/things/?cursor=b"}, "b": {"results": [{"n": 2}]}}
    gateway = gateway_that_answers(
        lambda request: httpx.Response(200, json=pages[request.url.params.get("cursor", "")])
    )
    assert [item["n"] for item in gateway.every("/things/")] == [1, 2]


def test_a_resolution_that_the_sample_can_not_have_is_not_accepted(monkeypatch):
    monkeypatch.setitem(walk.OUTPUTS, "resolution_map", frozenset({"summary"}))
    good = output("summary", "summary.json", b'{"resolution_A": 9.1}')
    assert "9.1" in check("resolution_map", [good])
    with pytest.raises(WalkFailed, match="99"):
        check("resolution_map", [output("summary", "summary.json", b'{"resolution_A": 99}')])
