"""Checksums that sources tell, in the many ways they do: read from headers and lists, as {algorithm: hex digits}.

Only what speaks of the whole file counts: Content-MD5 and Content-Digest are of the bytes of one answer, so they do
where that answer is the whole. An ETag is an MD5 where S3 stored the object in one part and did not encrypt it with a
key of its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping

LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128, "adler32": 8}
# The strongest first: one of them is compared.
ORDER = ("sha512", "sha256", "sha1", "md5", "adler32")
_ETAG_MD5 = re.compile(r'"?([0-9a-fA-F]{32})"?')
_HEX = re.compile(r"[0-9a-f]+")


class Adler32:
    """Adler-32 with the ways of ``hashlib``."""

    def __init__(self) -> None:
        self._value = 1

    def update(self, data: bytes) -> None:
        """``data`` follows."""
        self._value = zlib.adler32(data, self._value)

    def hexdigest(self) -> str:
        """Eight digits."""
        return f"{self._value:08x}"


def new(algorithm: str) -> hashlib._Hash | Adler32:
    """A running checksum."""
    return Adler32() if algorithm == "adler32" else hashlib.new(algorithm, usedforsecurity=False)


def strongest(sums: Mapping[str, str]) -> str:
    """The algorithm to compare by; "" where the source tells none that is known here."""
    return next((name for name in ORDER if name in sums), "")


def of_headers(headers: Mapping[str, str], *, whole: bool) -> dict[str, str]:
    """What the headers of an answer say of the file; ``whole`` when its body is the whole file."""
    found: dict[str, str] = {}
    found |= of_words(headers.get("oc-checksum", ""))
    found |= _pairs(headers.get("digest", ""), _plain)
    found |= _pairs(headers.get("repr-digest", ""), _structured)
    if whole:
        found |= _pairs(headers.get("content-digest", ""), _structured)
        found |= _checked("md5", _hex_of(headers.get("content-md5", "")))
    return found


def of_words(text: str) -> dict[str, str]:
    """ownCloud's and Nextcloud's ``SHA1:… MD5:… ADLER32:…``."""
    found: dict[str, str] = {}
    for word in text.split():
        name, _, value = word.partition(":")
        found |= _checked(_algorithm(name), value.lower())
    return found


def of_s3_etag(etag: str) -> dict[str, str]:
    """The MD5 that the ETag of an object in one part is."""
    match = _ETAG_MD5.fullmatch(etag.strip())
    return {"md5": match[1].lower()} if match else {}


def etag_is_no_sum(headers: Mapping[str, str]) -> bool:
    """True when S3 encrypted the object so that its ETag is no MD5."""
    kept = headers.get("x-amz-server-side-encryption", "")
    return "kms" in kept or "x-amz-server-side-encryption-customer-algorithm" in headers


def _pairs(text: str, read: Callable[[str], str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in text.split(","):
        name, _, value = pair.strip().partition("=")
        found |= _checked(_algorithm(name), read(value))
    return found


def _algorithm(name: str) -> str:
    return {"sha": "sha1"}.get(name.strip().lower(), name.strip().lower().replace("-", ""))


def _plain(value: str) -> str:
    value = value.strip().strip('"')
    return value.lower() if _HEX.fullmatch(value.lower()) and len(value) in (8, 40, 64, 128) else _hex_of(value)


def _structured(value: str) -> str:
    value = value.partition(";")[0].strip()
    return _hex_of(value[1:-1]) if len(value) > 2 and value[0] == value[-1] == ":" else ""


def _hex_of(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""


def _checked(name: str, value: str) -> dict[str, str]:
    good = name in LENGTHS and len(value) == LENGTHS[name] and _HEX.fullmatch(value)
    return {name: value} if good else {}
