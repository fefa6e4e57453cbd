"""Which servers and addresses imports reach, and by what way."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from common.errors import Forbidden, Unavailable, UserError
from storage.imports import guard

PUBLIC = "93.184.215.14"


@pytest.fixture(autouse=True)
def _nothing_is_inside(settings) -> None:
    settings.IMPORT_INSIDE_HOSTS = frozenset()


@pytest.fixture
def names(monkeypatch):
    """``names[host]`` is what the name service answers."""
    known: dict[str, list[str]] = {}

    def answer(host, port, **_):
        if host not in known:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr("storage.imports.guard.socket.getaddrinfo", answer)
    return known


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "fec0::1",
        "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)  # fmt: skip
def test_special_address_is_not_public(address):
    assert not guard.is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::1111", "64:ff9b::5db8:d70e"])
def test_address_of_the_internet_is_public(address):
    assert guard.is_public(address)


@pytest.mark.parametrize("found", [["10.0.0.7"], [PUBLIC, "127.0.0.1"]])
def test_name_that_leads_inside_is_refused(names, found):
    names["data.example.org"] = found
    with pytest.raises(Forbidden, match="does not import"):
        guard.addresses_of(urlsplit("https://data.example.org/"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_this_machine_is_refused_however_it_is_written(host):
    with pytest.raises((Forbidden, Unavailable, UserError)), guard.Reach("http://x/") as reach:
        reach.read("GET", f"http://{host}:9/")


def test_server_that_is_named_as_inside_is_reached(names, settings):
    names["nextcloud.lab"] = ["10.0.0.7"]
    settings.IMPORT_INSIDE_HOSTS = frozenset({"nextcloud.lab:443"})
    assert guard.addresses_of(urlsplit("https://nextcloud.lab/")) == ["10.0.0.7"]
    with pytest.raises(Forbidden):
        guard.addresses_of(urlsplit("https://nextcloud.lab:8443/"))


def test_connection_goes_to_the_address_that_was_looked_at(names, monkeypatch):
    names["data.example.org"] = [PUBLIC]
    asked = []

    def handle(_, request):
        asked.append((request.url.host, request.headers["host"], request.extensions["sni_hostname"]))
        names["data.example.org"] = ["127.0.0.1"]  # what a second question would be answered
        return httpx.Response(302, headers={"location": "/further"})

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    with guard.Reach("https://data.example.org/") as reach, pytest.raises(Forbidden):
        reach.read("GET", "https://data.example.org/a")
    assert asked == [(PUBLIC, "data.example.org", "data.example.org")]


def test_redirect_from_https_to_http_is_refused(names, monkeypatch):
    names["data.example.org"] = [PUBLIC]
    answer = httpx.Response(302, headers={"location": "http://data.example.org/"})
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda *_: answer)
    with guard.Reach("https://data.example.org/") as reach, pytest.raises(Forbidden, match="unprotected"):
        reach.read("GET", "https://data.example.org/a")


def test_operator_says_which_servers(settings):
    settings.IMPORT_HOSTS = frozenset({"*.example.org", "ftp.ebi.ac.uk:443"})
    settings.IMPORT_REFUSED_HOSTS = frozenset({"bad.example.org"})
    guard.check_server("https://data.example.org/x")
    guard.check_server("https://FTP.ebi.ac.uk/x")
    for other in ("https://bad.example.org/", "https://example.com/", "http://ftp.ebi.ac.uk/"):
        with pytest.raises(Forbidden):
            guard.check_server(other)


def test_list_of_endless_length_is_not_read(names, monkeypatch):
    names["data.example.org"] = [PUBLIC]
    monkeypatch.setattr(guard, "LISTING_LIMIT", 1000)
    answer = httpx.Response(200, stream=httpx.ByteStream(b"x" * 2000))
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda *_: answer)
    with guard.Reach("https://data.example.org/") as reach, pytest.raises(UserError, match="too long"):
        reach.read("GET", "https://data.example.org/")
