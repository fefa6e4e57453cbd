"""The OpenAPI document: problem documents and examples are added to every operation here."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

EXAMPLES = Path(__file__).with_name("api_examples.json")
PROBLEMS = {
    "400": "Some value is not right, or the body can't be read.",
    "401": "No usable token or session.",
    "403": "The role or the token is too weak.",
    "404": "It is not there, or not for you to know of.",
    "405": "Not with this method.",
    "406": "Not in this form.",
    "409": "Something else happened first.",
    "413": "Too large, or no room left.",
    "415": "Send JSON.",
    "416": "The file does not have these bytes.",
    "422": "The key was used with another body.",
    "429": "Too often; wait as long as Retry-After says.",
    "500": "Our fault; `error_id` is in the log.",
    "503": "A part that this needs does not answer; nothing changed.",
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `code` is stable and for programs; `detail` says what is wrong, `hint` what to do.",
    "required": ["type", "title", "status", "code", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
        "instance": {"type": "string"},
        "error_id": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
    "example": {
        "type": "https://portolan.science/problems/token_ended",
        "title": "Unauthorized",
        "status": 401,
        "code": "token_ended",
        "detail": "This token ended on 2026-01-31. Make a new one.",
        "instance": "/api/v1/projects/",
    },
}
# The ids that the examples speak of; tests make rows with them.
EXAMPLE_IDS = {
    "project_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e01",
    "user_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e02",
    "token_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e03",
    "upload_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e04",
    "job_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e05",
    "trash_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e06",
    "link_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e07",
    "remote_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e08",
    "identity_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e90",
    "suspended_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e20",
    "grant_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e10",
    "group_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e11",
    "invitation_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e12",
    "request_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e13",
    "own_request_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e14",
    "check_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e21",
    "dataset_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e22",
    "import_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e23",
    "failed_id": "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e77",
}
METHODS = {"get", "post", "put", "patch", "delete"}


class ProblemSchema(AutoSchema):
    """Summaries come from the views; errors are the same everywhere."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The operation with its possible problem documents."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            for status, words in PROBLEMS.items():
                content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
                operation["responses"].setdefault(status, {"description": words, "content": content})
        return operation


class BearerScheme(OpenApiAuthenticationExtension):
    """How the document calls personal tokens."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """A bearer token in the Authorization header."""
        return {"type": "http", "scheme": "bearer", "description": "A personal token, made on the tokens page."}


class AccessTokenScheme(OpenApiAuthenticationExtension):
    """How the document calls the institutes' access tokens."""

    target_class = "accounts.bearer.InstituteAuthentication"
    name = "institute"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """A bearer token in the Authorization header."""
        words = "An access token of one of the portal's login providers, as oidc-agent and the device flow hand it out."
        return {"type": "http", "scheme": "bearer", "description": words}


@cache
def examples() -> dict[str, dict[str, Any]]:
    """The examples by operationId: ``{query?, headers?, body?, status, answer?}``; tests send each and compare."""
    found: dict[str, dict[str, Any]] = json.loads(EXAMPLES.read_text())
    return found


def add_examples(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """The document with the problem document's schema, and an example in each operation."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for operations in result["paths"].values():
        for method, operation in operations.items():
            if method in METHODS:
                _add_example(operation, examples().get(operation["operationId"], {}))
    return result


def _asked(example: dict[str, Any]) -> dict[str, Any]:
    """What an example has in its address and headers, by name."""
    return {**example.get("path", {}), **example.get("query", {}), **example.get("headers", {})}


def _add_example(operation: dict[str, Any], example: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        value = _asked(example).get(name) or EXAMPLE_IDS.get(name)
        if value is not None:
            parameter["example"] = value
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "body" in example:
            content["example"] = example["body"]
    answer = operation["responses"].get(str(example.get("status")), {})
    for content in answer.get("content", {}).values():
        if "answer" in example:
            content["example"] = example["answer"]
