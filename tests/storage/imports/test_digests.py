"""Checksums as sources write them."""

import hashlib

import pytest

from storage.imports import digests

MD5, SHA1 = hashlib.md5(b"").hexdigest(), hashlib.sha1(b"").hexdigest()
SHA256 = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"oc-checksum": f"SHA1:{SHA1} MD5:{MD5} ADLER32:00000001"}, {"sha1": SHA1, "md5": MD5, "adler32": "00000001"}),
        ({"digest": "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=,adler32=00000001"},
         {"sha256": SHA256, "adler32": "00000001"}),
        ({"digest": "SHA=2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, {"sha1": SHA1}),
        ({"repr-digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, unixsum=:AA==:"}, {"sha256": SHA256}),
        ({"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, {"md5": MD5}),
        ({"digest": "SHA-256=short", "oc-checksum": "SHA1:", "content-md5": "ö"}, {}),
    ],
)  # fmt: skip
def test_headers_tell_checksums(headers, found):
    assert digests.of_headers(headers, whole=True) == found


def test_checksum_of_a_part_says_nothing_of_the_whole():
    assert digests.of_headers({"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, whole=False) == {}


def test_etag_of_one_part_is_an_md5_and_of_many_is_not():
    assert digests.of_s3_etag(f'"{MD5}"') == {"md5": MD5}
    assert digests.of_s3_etag(f'"{MD5}-12"') == {}
    assert digests.etag_is_no_sum({"x-amz-server-side-encryption": "aws:kms"})


def test_strongest_is_compared_and_adler_is_as_zlib_has_it():
    assert digests.strongest({"md5": MD5, "sha256": SHA256}) == "sha256"
    running = digests.new("adler32")
    running.update(b"Wikipedia")
    assert running.hexdigest() == "11e60398"
