"""Fills the validator's cache with the two JSON-LD contexts of a job's crate, so that it needs no network.

Run by the validator's own Python: ``keep_contexts.py CACHE RO-CRATE-CONTEXT``. The text of RO-Crate's context is the
one that the ``rocrate`` package carries (version 1.3, which has all terms of 1.1); of the workflow-run context those
terms are written here that may be met in a Process Run Crate.
"""

import io
import json
import sys
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

TERMS = "https://w3id.org/ro/terms/workflow-run#"
NAMES = ("ContainerImage", "containerImage", "environment", "md5", "registry", "resourceUsage", "sha256", "tag")
WORKFLOW_RUN = {"@context": {name: TERMS + name for name in NAMES}}
ACCEPTS = ("application/ld+json, application/json", "*/*")


class Kept(HTTPAdapter):
    """Answers with texts from memory; what is not among them is an error."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__()
        self.texts = texts

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        """The text for the request's address."""
        body = io.BytesIO(self.texts[str(request.url)].encode())
        kind = {"Content-Type": "application/ld+json"}
        return self.build_response(request, HTTPResponse(body, kind, 200, preload_content=False))


def main(cache: str, ro_crate: str) -> None:
    """Both contexts are in the cache, for either way in which the validator asks."""
    texts = {
        "https://w3id.org/ro/crate/1.1/context": Path(ro_crate).read_text(encoding="utf-8"),
        "https://w3id.org/ro/terms/workflow-run/context": json.dumps(WORKFLOW_RUN),
    }
    session = CachedSession(cache, backend="sqlite", expire_after=-1, allowable_methods=("GET",))
    session.mount("https://", Kept(texts))
    for address in texts:
        for accept in ACCEPTS:
            session.get(address, headers={"Accept": accept}).raise_for_status()


if __name__ == "__main__":
    main(*sys.argv[1:])
