"""Files in HTTP answers: whole, in part, unchanged, and never as a page."""

import asyncio
import os
import re

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory

from storage.services import files
from storage.streaming import content_response, file_response, stream

BODY = bytes(range(256)) * 10


@pytest.fixture
def get(project, viewer, root):
    """``get(name, **headers)`` asks for a file of the project."""
    (root / "a.bin").write_bytes(BODY)

    def ask(name="a.bin", *, method="get", inline=False, **headers):
        request = getattr(RequestFactory(), method)("/", headers=headers)
        return file_response(files.open_file(viewer, project.pk, name), request, inline=inline)

    return ask


def content(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_whole_file(get):
    response = get()
    assert response.status_code == 200
    assert response["Content-Length"] == "2560"
    assert response["Accept-Ranges"] == "bytes"
    assert content(response) == BODY


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("0-0", 0, 1), ("0-99", 0, 100), ("100-", 100, 2560), ("-1", 2559, 2560), ("-5000", 0, 2560),
     ("2559-9999", 2559, 2560), ("0-", 0, 2560), (" 5 - 9", 5, 10)],
)  # fmt: skip
def test_part_of_a_file(asked, start, end, get):
    response = get(range=f"bytes={asked}")
    assert content(response) == BODY[start:end]
    assert response["Content-Length"] == str(end - start)
    if (start, end) != (0, 2560):
        assert response.status_code == 206
        assert response["Content-Range"] == f"bytes {start}-{end - 1}/2560"


@pytest.mark.parametrize("asked", ["2560-", "9999-10000", "-0"])
def test_part_outside_the_file(asked, get):
    response = get(range=f"bytes={asked}")
    assert response.status_code == 416
    assert response["Content-Range"] == "bytes */2560"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-5", "items=0-1", "bytes=", "bytes=-", "bytes=a-b", "x"])
def test_range_that_is_not_understood_gets_the_whole(asked, get):
    response = get(range=asked)
    assert response.status_code == 200
    assert content(response) == BODY


def test_range_goes_on_only_with_the_same_file(get, root):
    etag, modified = get()["ETag"], get()["Last-Modified"]
    for same in (etag, modified):
        assert get(range="bytes=0-1", if_range=same).status_code == 206
    (root / "a.bin").write_bytes(BODY + b"more")
    os.utime(root / "a.bin", (1, 1))
    for other in (etag, modified, '"x"', f"W/{etag}"):
        response = get(range="bytes=0-1", if_range=other)
        assert response.status_code == 200
        assert content(response) == BODY + b"more"


def test_unchanged_file_is_not_sent_again(get):
    first = get()
    for headers in (
        {"if_none_match": first["ETag"]},
        {"if_none_match": f'"other", W/{first["ETag"]}'},
        {"if_none_match": "*"},
        {"if_modified_since": first["Last-Modified"]},
    ):
        response = get(**headers)
        assert response.status_code == 304
        assert content(response) == b""
    assert get(if_none_match='"other"', if_modified_since=first["Last-Modified"]).status_code == 200
    assert get(if_modified_since="rubbish").status_code == 200


def test_head_has_the_headers_and_no_body(get):
    response = get(method="head")
    assert response["Content-Length"] == "2560"
    assert content(response) == b""


def test_empty_file(get, root):
    (root / "empty").touch()
    assert content(get("empty")) == b""
    assert get("empty")["Content-Length"] == "0"
    assert get("empty", range="bytes=0-").status_code == 416


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xhtml", "x.xml", "x.htm", "x.js", "x.pdf", "x.mhtml", "x"])
def test_nothing_runs_in_the_portals_name(name, get, root):
    (root / name).write_text("<script>alert(1)</script>")
    response = get(name, inline=True)
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert response["X-Content-Type-Options"] == "nosniff"


def test_picture_can_be_shown_in_place_when_asked(get, root):
    (root / "x.png").touch()
    assert get("x.png", inline=True)["Content-Disposition"].startswith("inline")
    assert get("x.png")["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "name", ['a"b;c.txt', "Ångström 日本.mrc", "a;filename=evil.exe", "(x) [y].txt", "%41.txt", "日本"]
)
def test_file_names_in_headers_are_safe(name, get, root):
    (root / name).write_text("x")
    header = get(name)["Content-Disposition"]
    assert re.fullmatch(r"attachment; filename=\"[\w .()+,=@-]+\"; filename\*=UTF-8''[\w.%~-]+", header, re.ASCII)


def test_file_that_shrinks_ends_the_connection(get, root):
    response = get()
    os.truncate(root / "a.bin", 10)
    with pytest.raises(OSError, match="shorter"):
        content(response)


def test_deleted_file_is_still_sent_whole(get, root):
    response = get()
    (root / "a.bin").unlink()
    assert content(response) == BODY


def test_handle_closes_with_the_answer(project, viewer, get):
    for headers in ({}, {"if_none_match": "*"}, {"range": "bytes=9999-"}):
        opened = files.open_file(viewer, project.pk, "a.bin")
        response = file_response(opened, RequestFactory().get("/", headers=headers))
        content(response)
        assert opened.handle.closed


def test_under_asgi_blocks_are_sent_as_they_come():
    request = ASGIRequest({"type": "http", "method": "GET", "path": "/", "headers": []}, None)
    made = []

    def blocks():
        for number in range(3):
            made.append(number)
            yield b"x"

    async def first():
        response = stream(request, blocks())
        assert response.is_async
        async for _ in response.streaming_content:
            return list(made)

    assert asyncio.run(first()) == [0]


def test_preview_is_shown_in_place_and_sent_once(project, viewer, root):
    (root / "a.txt").write_text("x")
    made = files.preview(viewer, project.pk, "a.txt")
    given = {"content": made.content, "content_type": made.content_type, "etag": made.etag}
    first = content_response(RequestFactory().get("/"), **given)
    assert first.status_code == 200
    assert first["Content-Type"] == "application/json"
    again = content_response(RequestFactory().get("/", headers={"if-none-match": made.etag}), **given)
    assert (again.status_code, again.content) == (304, b"")
