"""S3-compatible stores: presigned URLs, each good for one method on one object until its end.

A store has no folders: a project's objects have keys that begin with ``<prefix>/<project id>/data/``. A presigned PUT
replaces what is there, so that adding and replacing can only be given together; names can't be listed by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from common.errors import NotFound, Unavailable
from storage.links.rights import Right
from storage.paths import is_plain
from storage.sites.base import Address, Ask, Issued, Page, SiteEntry, refused
from storage.sites.settings import secret

DELIMITER = "/"
MISSING = {"404", "NoSuchKey", "NotFound"}
CONFIG = Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    connect_timeout=10,
    read_timeout=20,
    retries={"total_max_attempts": 2},
    # Checksum headers that AWS alone knows would have to be sent by whoever uses the URL.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


@dataclass(frozen=True, kw_only=True)
class Store:
    """A bucket and how it is reached."""

    base_url: str
    settings: Mapping[str, str] = field(repr=False)

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.settings["bucket"]

    def client(self) -> Any:
        """A client with the portal's own key of the store; kept, for making one is slow."""
        return _client(
            self.base_url,
            self.settings.get("region", "us-east-1"),
            self.settings["access_key"],
            secret("secret_key_file", self.settings["secret_key_file"]),
            self.settings.get("ca_file"),
        )


@lru_cache(maxsize=16)
def _client(url: str, region: str, access_key: str, secret_key: str, ca_file: str | None) -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=CONFIG,
        verify=ca_file,
    )


@contextmanager
def told(path: str) -> Iterator[None]:
    """The store's errors in our words."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISSING:
            raise NotFound(f"There is no “{path}” at the site.", code="file_not_found") from error
        raise Unavailable(f"The site does not do this (it answers {code}).", code="site_refuses") from error
    except (BotoCoreError, ValueError) as error:
        raise Unavailable("The site does not answer.", code="site_silent", hint="Try again later.") from error


@dataclass(frozen=True, kw_only=True)
class S3Adapter:
    """``folder`` is what the keys of the project's objects begin with; it ends with a slash."""

    store: Store
    folder: str
    new_is_file: bool = True

    def make(self, path: str = "") -> None:
        """Nothing needs to be made: a store has no folders."""

    def page(self, path: str, *, cursor: str = "", limit: int = 100) -> Page:
        """A page in the order of the store; ``cursor`` is its continuation token."""
        prefix = self.folder + (f"{path}/" if path else "")
        more = {"ContinuationToken": cursor} if cursor else {}
        with told(path):
            client: Any = self.store.client()
            answer = client.list_objects_v2(
                Bucket=self.store.bucket, Prefix=prefix, Delimiter=DELIMITER, MaxKeys=limit, **more
            )
        entries = list(_entries(answer, prefix, path))
        if path and not entries and not cursor and not answer.get("KeyCount"):
            raise NotFound(f"There is no “{path}” at the site.", code="file_not_found")
        return Page(entries=entries, next_cursor=str(answer.get("NextContinuationToken") or ""))

    def stat(self, path: str) -> SiteEntry:
        """The entry of ``path``; a folder is what other keys begin with."""
        name = path.rpartition("/")[2]
        if path:
            try:
                with told(path):
                    client: Any = self.store.client()
                    head = client.head_object(Bucket=self.store.bucket, Key=self.folder + path)
                return SiteEntry(
                    name=name, path=path, kind="file", size=head["ContentLength"], modified=head["LastModified"]
                )
            except NotFound:
                self.page(path, limit=1)
        return SiteEntry(name=name, path=path, kind="folder")

    def issue(self, ask: Ask) -> Issued:
        """A presigned URL for each method that the rights need."""
        if not ask.is_file or Right.LIST in ask.rights:
            raise refused(
                "An address of this store opens one file: it can't list, and can't open a folder.",
                "Name the file, and untick the listing.",
            )
        if (Right.WRITE_NEW in ask.rights) != (Right.OVERWRITE in ask.rights):
            raise refused("This store can't tell adding a file from replacing it.", "Tick both, or neither.")
        methods = {Right.READ: "get_object", Right.OVERWRITE: "put_object", Right.DELETE: "delete_object"}
        key = {"Bucket": self.store.bucket, "Key": self.folder + ask.path}
        seconds = max(1, math.floor(ask.seconds))
        with told(ask.path):
            client: Any = self.store.client()
            addresses = [
                Address(
                    url=client.generate_presigned_url(method, Params=key, ExpiresIn=seconds),
                    method=method.partition("_")[0].upper(),
                )
                for right, method in methods.items()
                if right in ask.rights
            ]
        return Issued(addresses=addresses)


def _entries(answer: Mapping[str, Any], prefix: str, path: str) -> Iterator[SiteEntry]:
    above = f"{path}/" if path else ""
    for one in answer.get("CommonPrefixes") or ():
        name = one["Prefix"][len(prefix) :].rstrip("/")
        if is_plain(name):
            yield SiteEntry(name=name, path=above + name, kind="folder")
    for one in answer.get("Contents") or ():
        name = one["Key"][len(prefix) :]
        if is_plain(name):
            yield SiteEntry(name=name, path=above + name, kind="file", size=one["Size"], modified=one["LastModified"])
