"""Each operation works as its example says, refuses bad input, and takes no token that is too narrow.

Who may at all is in ``permissions.csv`` and tried in ``test_permissions.py``.
"""

import json
import os
import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import get_resolver

from accounts.scopes import Scope
from accounts.services import make_token
from gateway import schema
from tests.gateway import matrix
from tests.gateway.matrix import table
from tests.gateway.operations import ABOUT, document, operations
from tests.gateway.rows import ROWS

BAD = [(name, change, code) for name, row in ROWS.items() for change, code in row.bad]
OPEN = {"schema", "sample", "inputs", "failure", "progress", "details", "expected_seconds"}
NAMES = [what for what in table() if " " not in what]


def signed_in(user) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def with_token(user, **narrow) -> Client:
    _, secret = make_token(user, label="test", **{"scopes": list(Scope)} | narrow)
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def weakest(world, name):
    """A person who just may; they own the token that the examples speak of."""
    user = world.people[matrix.weakest(name)]
    world.with_token(user)
    return user


def is_problem(answer, status, code=None):
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = json.loads(answer.content)
    assert said["status"] == status
    assert said["type"].endswith(said["code"])
    assert code is None or said["code"] == code, said
    return said


def test_every_route_has_a_row_and_every_row_a_route():
    assert set(operations()) - ABOUT == set(ROWS), "rows.py knows no bad input of these, or of ones that are gone"
    api = next(entry for entry in get_resolver().url_patterns if getattr(entry, "namespace", None) == "api")
    plain = {re.sub(r"<\w+:(\w+)>", r"{\1}", str(entry.pattern)) for entry in api.url_patterns if entry.name}
    told = {path.removeprefix("/api/v1/") for path in document()["paths"]}
    assert plain - told <= {"schema/", "docs/"}


@pytest.mark.parametrize("name", NAMES)
def test_the_example_works_for_the_weakest_role_that_may(world, name):
    operation, expected = operations()[name], schema.examples()[name]
    answer = operation.send(with_token(weakest(world, name)))
    assert answer.status_code == expected["status"], answer.content
    if answer.headers.get("Content-Type") == "application/json":
        _compare(name, _neutral(answer.json()))


@pytest.mark.parametrize(("name", "change", "code"), BAD)
def test_bad_input_is_refused_and_told(world, name, change, code):
    operation, client = operations()[name], signed_in(weakest(world, name))
    if operation.body is None:
        answer = operation.send(client, query={**operation.query, **change})
    else:
        answer = operation.send(client, body={**operation.body, **change})
    said = is_problem(answer, 400, code)
    assert code not in {"invalid"} or said["errors"]


@pytest.mark.parametrize("name", [name for name in NAMES if matrix.scope_of(name)])
def test_a_token_without_the_scope_is_refused(world, name):
    others = [scope for scope in Scope if scope != matrix.scope_of(name)]
    client = with_token(weakest(world, name), scopes=others)
    is_problem(operations()[name].send(client), 403, "scope_missing")


@pytest.mark.parametrize("name", [name for name in NAMES if matrix.in_a_project(name)])
def test_a_token_kept_to_another_project_learns_nothing(world, name):
    client = with_token(world.people["owner"], projects=["3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1eff"])
    is_problem(operations()[name].send(client), 404)


@pytest.mark.parametrize("name", [name for name in NAMES if matrix.weakest(name) == "operator"])
def test_an_operators_token_that_is_kept_to_a_project_is_refused(world, name):
    client = with_token(world.people["operator"], projects=[world.project.pk])
    is_problem(operations()[name].send(client), 403, "scope_missing")


def _neutral(answer):
    """The answer without what must not be printed: secrets and the name of the test's host."""
    text = json.dumps(answer, ensure_ascii=False)
    text = re.sub(r"http://[^/]+/invitation/\?code=[\w-]{43}", "https://portolan.example.org/invitation/?code=…", text)
    text = re.sub(r"ptl_[\w-]{9,}", "ptl_…", text)
    text = re.sub(r"/uploads/[\w-]{43}", "/uploads/…", text)
    text = re.sub(r"MDA[\w-]{60,}", "MDA…", text)
    return json.loads(text.replace("http://testserver", "https://portolan.example.org"))


def _compare(name, answer):
    """The printed example has the answer's shape. ``RECORD_EXAMPLES=1`` prints it anew."""
    if os.environ.get("RECORD_EXAMPLES"):
        table = json.loads(schema.EXAMPLES.read_text())
        table[name]["answer"] = answer
        lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
        Path(schema.EXAMPLES).write_text("{\n" + ",\n".join(lines) + "\n}\n")
        return
    assert _shape(schema.examples()[name]["answer"]) == _shape(answer)


def _shape(value):
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items() if key not in OPEN}
    if isinstance(value, list):
        return [_shape(inner) for inner in value[:1]]
    return type(value).__name__
