"""A real XRootD with macaroons, as Debian ships it: two doors on one folder, with one secret.

The *data* door knows nobody, so that a macaroon is the only way in. The *issuing* door gives macaroons to the portal's
certificate. The third, *careless*, does both: there a macaroon that carries the portal's name opens all that the portal
may do. XRootD can't bind to one address; they run in a network of their own and are forwarded to loopback.
"""

import base64
import ipaddress
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FORWARD = Path(__file__).with_name("forward.py")
SITE_NAME = "LAB"
DOORS = {"data": 10443, "issuing": 10444, "careless": 10445}
CONFIG = """
all.role server
all.export /store
oss.localroot {home}/root
all.adminpath {home}/{name}
all.pidpath {home}/{name}
all.sitename {site}
xrd.port {native}
xrd.network nodnr
xrd.tls {home}/host.pem {home}/host.key
xrd.tlsca certdir {home}/certs
xrd.protocol XrdHttp:{port} libXrdHttp.so
xrootd.seclib libXrdSec.so
http.gridmap {home}/gridmap
http.listingdeny no
http.desthttps yes
http.selfhttps2http no
http.exthandler xrdmacaroons libXrdMacaroons.so
macaroons.secretkey {home}/secret
macaroons.maxduration 604800
ofs.authorize 1
ofs.authlib ++ libXrdMacaroons.so
acc.authdb {home}/{name}.authdb
http.header2cgi Authorization authz
"""


@dataclass(frozen=True, kw_only=True)
class XRootD:
    """Addresses of the doors, the portal's files for them, and the folder behind them."""

    home: Path
    urls: dict[str, str]

    @property
    def root(self) -> Path:
        return self.home / "root" / "store"

    @property
    def ca_file(self) -> str:
        return str(self.home / "ca.pem")

    def by_certificate(self) -> dict[str, str]:
        """Settings: macaroons are asked for at the issuing door."""
        return self._certificate() | {"macaroon_url": self.urls["issuing"]}

    def careless(self) -> dict[str, str]:
        """Settings for the door that should not be used."""
        return self._certificate()

    def by_secret(self) -> dict[str, str]:
        """Settings: macaroons are made with the site's secret."""
        return {"ca_file": self.ca_file, "secret_file": str(self.home / "secret"), "site_name": SITE_NAME}

    def _certificate(self) -> dict[str, str]:
        files = {"certificate_file": str(self.home / "portal.pem"), "key_file": str(self.home / "portal.key")}
        return {"ca_file": self.ca_file, **files}

    def own(self, *paths: Path) -> None:
        """The files are XRootD's, as those that it has written."""
        for path in paths:
            shutil.chown(path, "xrootd", "xrootd")


@contextmanager
def running():
    """The doors are up inside the block."""
    home = Path(tempfile.mkdtemp(prefix="xrd-"))
    listening = {name: socket.create_server(("127.0.0.1", 0)) for name in DOORS}
    urls = {name: f"https://localhost:{one.getsockname()[1]}" for name, one in listening.items()}
    _write(home)
    fds = [one.fileno() for one in listening.values()]
    words = [f"{one.fileno()}:{DOORS[name]}" for name, one in listening.items()]
    as_xrootd = "setpriv --reuid=xrootd --regid=xrootd --clear-groups"
    starts = "".join(f"{as_xrootd} xrootd -c {home}/{name}.cfg -l {home}/{name}/log -I v4 &\n" for name in DOORS)
    script = f"ip link set lo up\n{starts}exec {sys.executable} {FORWARD} {' '.join(words)}"
    with (home / "output").open("wb") as output:
        process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", script], pass_fds=fds, stdout=output, stderr=output, start_new_session=True
        )
    for one in listening.values():
        one.close()
    try:
        for name, url in urls.items():
            _await(url, home / "ca.pem", process, home / name / "log")
        yield XRootD(home=home, urls=urls)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def _write(home: Path) -> None:
    home.chmod(0o711)
    _certificates(home)
    (home / "secret").write_bytes(base64.encodebytes(secrets.token_bytes(64)))
    (home / "gridmap").write_text('"/O=Lab/CN=portal" portal\n')
    (home / "data.authdb").write_text("")
    (home / "issuing.authdb").write_text("u portal /store a\n")
    (home / "careless.authdb").write_text("u portal /store a\n")
    (home / "root" / "store").mkdir(parents=True)
    for name, port in DOORS.items():
        (home / name).mkdir()
        values = {"home": home, "name": name, "port": port, "native": port + 1000, "site": SITE_NAME}
        (home / f"{name}.cfg").write_text(CONFIG.format(**values))
    for path in home.rglob("*"):
        shutil.chown(path, "xrootd", "xrootd")


def _certificates(home: Path) -> None:
    now, root_key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    root_name = _name("Lab CA")

    def make(name: str, *, ca: bool = False) -> None:
        key = root_key if ca else ec.generate_private_key(ec.SECP256R1())
        here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        made = (
            x509.CertificateBuilder(root_name, root_name if ca else _name(name), key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName(here), critical=False)
            .sign(root_key, hashes.SHA256())
        )
        (home / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (home / f"{name}.key").write_bytes(private)
        (home / f"{name}.key").chmod(0o600)

    make("ca", ca=True)
    make("host")
    make("portal")
    (home / "certs").mkdir()
    asked = ["openssl", "x509", "-hash", "-noout", "-in", str(home / "ca.pem")]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    shutil.copy(home / "ca.pem", home / "certs" / f"{found}.0")


def _name(common: str) -> x509.Name:
    words = [(NameOID.ORGANIZATION_NAME, "Lab"), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, word) for oid, word in words])


def _await(url: str, ca: Path, process: subprocess.Popen, log: Path) -> None:
    context, port = ssl.create_default_context(cafile=ca), int(url.rpartition(":")[2])
    deadline = time.monotonic() + 120
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as plain:
                context.wrap_socket(plain, server_hostname="localhost").close()
            return
        except OSError:
            told = log.read_text(errors="replace")[-3000:] if log.exists() else ""
            assert process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.1)


@pytest.fixture(scope="session")
def xrootd_doors():
    """The doors of a real XRootD."""
    with running() as made:
        yield made
