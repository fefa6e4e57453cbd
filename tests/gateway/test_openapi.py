"""The document is valid, complete, served, and true."""

import json
from functools import cache

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.scopes import Scope
from accounts.services import make_token
from gateway.schema import EXAMPLE_IDS, METHODS, PROBLEMS, examples
from jobs.models import Job
from jobs.states import JobState
from tests.gateway.operations import ABOUT, document, operations

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
TRIES = 5


@cache
def fuzzed():
    """The operations as schemathesis reads them; it calls the portal in this process."""
    schema = schemathesis.openapi.from_dict(document())
    schema.app = WSGIHandler()
    return schema


def told():
    return [
        (path, method, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if method in METHODS and operation["operationId"] not in ABOUT
    ]


def test_the_document_is_valid_openapi_3_1():
    assert document()["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document()).validate()


def test_every_operation_has_a_summary_a_tag_and_an_example():
    for _, _, operation in told():
        name = operation["operationId"]
        assert operation.get("summary"), name
        assert operation.get("description"), name
        assert operation.get("tags") not in (None, [], ["v1"]), name
        assert name in examples(), f"{name} has no example"
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert body is None or "example" in body, name
        answer = operation["responses"][str(examples()[name]["status"])].get("content", {}).get("application/json")
        assert answer is None or "example" in answer, name


def test_every_operation_tells_its_errors_as_problem_documents():
    for _, _, operation in told():
        for status in PROBLEMS:
            assert "application/problem+json" in operation["responses"][status]["content"]


def test_the_document_is_made_without_warnings():
    assert document()
    assert not GENERATOR_STATS, [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]


def test_no_example_is_left_over():
    assert set(examples()) == set(operations()) - ABOUT


def test_the_document_and_its_page_are_served_offline(db):
    served = Client().get("/api/v1/schema/")
    assert json.loads(served.content)["openapi"] == "3.1.0"
    page = Client().get("/api/v1/docs/")
    assert page.headers["Content-Type"].startswith("text/html")
    text = page.content.decode()
    assert "<script>" not in text, "the content security policy runs no script in the page"
    assert "https://" not in text
    script = Client().get("/api/v1/docs/?script=")
    assert script.headers["Content-Type"].startswith("application/javascript")


@pytest.fixture
def one_connection():
    """The handler leaves the test's connection open, as Django's own test client sees to."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("name", sorted(set(operations()) - ABOUT))
def test_any_request_is_answered_as_the_document_says(world, one_connection, name, mode):
    """Made-up queries and bodies, right and wrong ones, asked by the owner of the project that the ids speak of."""
    _, secret = make_token(world.people["owner"], label="any", scopes=list(Scope))
    operation = fuzzed().find_operation_by_id(name)

    @settings(max_examples=TRIES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        Job.objects.update(state=JobState.SUCCEEDED)  # so that its stream ends
        case.path_parameters = {key: EXAMPLE_IDS.get(key, value) for key, value in case.path_parameters.items()}
        # The server in front refuses a wrong length and drops names with "_", which WSGI would take for those with "-".
        for header in [one for one in case.headers if "_" in one or one.lower() == "content-length"]:
            del case.headers[header]
        answer = case.call(headers={"Authorization": f"Bearer {secret}"})
        # More than the disk has room for is no error of the server.
        full = answer.status_code == 503 and answer.json()["code"] == "disk_full"
        case.validate_response(answer, checks=CHECKS[1:] if full else CHECKS)

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "there is a right request"
