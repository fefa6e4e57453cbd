"""The ``settings`` of a storage site's row, checked. Secrets are files that only the portal can read, named here."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from common.errors import Unavailable, UserError
from storage.models import SiteKind

MOST_BYTES = 64 * 1024
TAKEN: dict[str, frozenset[str]] = {
    SiteKind.POSIX: frozenset(),
    SiteKind.WEBDAV: frozenset(
        {"ca_file", "certificate_file", "key_file", "token_file", "secret_file", "site_name", "macaroon_url"}
    ),
    SiteKind.S3: frozenset({"ca_file", "bucket", "region", "access_key", "secret_key_file"}),
}
WAYS = ("certificate_file", "token_file", "secret_file")


def checked(kind: str, base_url: str, prefix: str, settings: Mapping[str, Any]) -> None:
    """The row's words are what its kind takes; UserError beside the field that is wrong."""
    for name, value in settings.items():
        if name not in TAKEN.get(kind, frozenset()):
            _wrong(name, f"is not known for this kind; it takes {', '.join(sorted(TAKEN[kind])) or 'none'}")
        if not isinstance(value, str) or not value:
            _wrong(name, "must be a text")
        if name.endswith("_file"):
            _check_file(name, value)
    if kind == SiteKind.POSIX:
        return
    _check_url("base_url", base_url)
    parts = prefix.split("/")
    if any(part in ("", ".", "..") for part in parts[1:-1]) or ".." in parts or prefix.endswith("/"):
        raise UserError("The prefix is a plain path without “/” at its end.", code="bad_prefix", field="prefix")
    if kind == SiteKind.WEBDAV:
        _check_webdav(prefix, settings)
    for name in ("bucket", "access_key", "secret_key_file") if kind == SiteKind.S3 else ():
        if name not in settings:
            _wrong(name, "is missing")


def _check_webdav(prefix: str, settings: Mapping[str, Any]) -> None:
    if not prefix.startswith("/"):
        raise UserError("The prefix begins with “/”.", code="bad_prefix", field="prefix")
    if sum(name in settings for name in WAYS) != 1:
        _wrong(", ".join(WAYS), "must be one of the three: how macaroons are got")
    for name, other in (("certificate_file", "key_file"), ("secret_file", "site_name")):
        if (name in settings) != (other in settings):
            _wrong(other, f"goes with {name}")
    if "macaroon_url" in settings:
        _check_url("settings.macaroon_url", settings["macaroon_url"])


def _check_file(name: str, value: str) -> None:
    if "-----BEGIN" in value or not value.startswith("/"):
        _wrong(name, "must be the absolute path of a file, not what is in it")


def _check_url(field: str, url: str) -> None:
    """https with a host and nothing after it; plain http only to this machine."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and _is_here(parts.hostname or "")
    if not parts.hostname or parts.username or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise UserError("Give scheme, host and port alone: https://door.example.org:2880", code="bad_url", field=field)
    if parts.scheme != "https" and not plain:
        raise UserError("The address must begin with https://.", code="bad_url", field=field)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secret(name: str, path: str) -> str:
    """What is in the file of the setting ``name``; Unavailable when it can't be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MOST_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(
            f"The site's {name} can't be read.", code="site_secret", hint="The operator has to look at the site."
        ) from error


def _wrong(name: str, words: str) -> NoReturn:
    raise UserError(f"The site's setting “{name}” {words}.", code="bad_site_settings", field="settings")
