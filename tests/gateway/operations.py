"""The operations of the API as its document tells them, each with the request of its example."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from gateway.schema import METHODS

ABOUT = {"schema_retrieve", "docs"}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method at one address, with the example that its document prints."""

    id: str
    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    statuses: dict[str, Any] = field(default_factory=dict)

    def send(self, client: Client, *, query=None, body=None, headers=None):
        """The answer to the example, or to the example with another query or body."""
        query = self.query if query is None else query
        body = self.body if body is None else body
        address = f"{self.path}?{urlencode(query, doseq=True)}" if query else self.path
        words = {"data": body, "content_type": "application/json"} if body is not None else {}
        return getattr(client, self.method)(address, headers=self.headers | (headers or {}), **words)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return SchemaGenerator().get_schema(request=None, public=True)


@cache
def operations() -> dict[str, Operation]:
    """All operations by their id."""
    found = {}
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                made = _operation(path, method, operation)
                assert made.id not in found, made.id
                found[made.id] = made
    return found


def _operation(path: str, method: str, operation: dict[str, Any]) -> Operation:
    query, headers = {}, {}
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", str(parameter.get("example", "")))
        elif parameter["in"] == "header" and "example" in parameter:
            headers[parameter["name"]] = parameter["example"]
        elif parameter["in"] == "query" and "example" in parameter:
            query[parameter["name"]] = _plain(parameter["example"])
    content = operation.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {}).get("example")
    return Operation(
        id=operation["operationId"],
        method=method,
        path=path,
        query=query,
        headers=headers,
        body=body,
        statuses=operation["responses"],
    )


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
