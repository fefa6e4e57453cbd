"""S3 buckets: listed page by page, requests signed as botocore does it, or not at all for public buckets.

The address is ``https://<server>/<bucket>/<folder>``, or ``s3://<bucket>/<folder>`` at Amazon. botocore only signs:
the request itself goes the guarded way of all imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote, unquote_plus, urlencode, urlsplit
from xml.etree.ElementTree import ParseError

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from common.errors import UserError
from storage.imports.digests import of_s3_etag
from storage.imports.guard import Reach
from storage.imports.sources.base import Facts, Found, Look, as_length

FIRST = "?"


class S3Source:
    """A bucket, a folder in it, or one object."""

    def __init__(self, address: str, region: str, key_id: str, secret: str) -> None:
        region = region or "us-east-1"
        if address.startswith("s3://"):
            address = f"https://s3.{region}.amazonaws.com/{address.removeprefix('s3://')}"
        parts = urlsplit(address)
        bucket, _, prefix = parts.path.lstrip("/").partition("/")
        if not bucket:
            hint = "As in https://s3.example.org/bucket/folder, or s3://bucket/folder."
            raise UserError("The address names no bucket.", code="bad_address", field="address", hint=hint)
        self.home = f"{parts.scheme}://{parts.netloc}/{bucket}"
        self._prefix = unquote(prefix).rstrip("/")
        self._auth = S3SigV4Auth(Credentials(key_id, secret), "s3", region) if key_id else None

    def signer(self, method: str, url: str) -> Mapping[str, str]:
        """The signature of a request without a body."""
        if self._auth is None:
            return {}
        asked = AWSRequest(method=method, url=url)
        self._auth.add_auth(asked)
        return {name.lower(): value for name, value in asked.headers.items()}

    def begin(self) -> list[str]:
        """The first page."""
        return [FIRST]

    def look(self, reach: Reach, place: str) -> Look:
        """One page of at most 1000 objects."""
        query = {"encoding-type": "url", "list-type": "2", "prefix": self._prefix}
        if place != FIRST:
            query["continuation-token"] = place
        # Sorted and quoted as the signature wants it.
        _, _, body = reach.read("GET", f"{self.home}?{urlencode(sorted(query.items()), quote_via=quote)}")
        try:
            found = fromstring(body)
        except (ParseError, DefusedXmlException, ValueError) as error:
            raise UserError("This is no S3 bucket.", code="source_unreadable", field="address") from error
        space = found.tag.partition("}")[0] + "}" if found.tag.startswith("{") else ""
        encoded = found.findtext(f"{space}EncodingType") == "url"
        files = []
        for item in found.iter(f"{space}Contents"):
            key = item.findtext(f"{space}Key") or ""
            key = unquote_plus(key, errors="surrogateescape") if encoded else key
            name = self._name_of(key)
            if name and not name.endswith("/"):
                etag = item.findtext(f"{space}ETag") or ""
                size = as_length(item.findtext(f"{space}Size"))
                files.append(Found(name=name, address=self._address(key), facts=_facts(size, etag)))
        more = found.findtext(f"{space}NextContinuationToken") or ""
        return Look(files=files, places=[more] if more and found.findtext(f"{space}IsTruncated") == "true" else [])

    def measure(self, reach: Reach, address: str) -> Facts:
        """What the store says of one object."""
        answer, _, _ = reach.read("HEAD", address)
        return _facts(as_length(answer.headers.get("content-length")), answer.headers.get("etag", ""))

    def _name_of(self, key: str) -> str:
        """The object's name in the folder that is imported; "" for what only begins alike."""
        if key == self._prefix:
            return key.rpartition("/")[2]
        above = f"{self._prefix}/" if self._prefix else ""
        return key.removeprefix(above) if key.startswith(above) else ""

    def _address(self, key: str) -> str:
        return f"{self.home}/{quote(key, safe='/~', errors='surrogateescape')}"


def _facts(size: int | None, etag: str) -> Facts:
    return Facts(size=size, etag=etag if etag.startswith('"') or not etag else f'"{etag}"', sums=of_s3_etag(etag))
