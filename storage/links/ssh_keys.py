"""Keys of the SSH door: sshd's own, the one that signs, and a certificate for each key by which a link is used.

A certificate says all that sshd has to know: which link (as the only command that may be run), from where, until when,
and nothing else (no terminal, no forwarding). So sshd asks nobody at a login, and no key of a person is kept anywhere.
Whether the link still stands is asked after the login, and as long as something moves.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import settings
from django.utils import timezone

from common.errors import StateConflict, UserError
from storage.models import TransferLink

USER = "link"  # the only account that the door's sshd knows
COMMAND = "/door/open-link"
LEAST_RSA_BITS = 2048
LONGEST_KEY = 8192
SKEW = timedelta(minutes=5)
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, kw_only=True)
class Certified:
    """A key for one link. ``private_key`` is empty when the person has it already; ``certificate`` is no secret."""

    private_key: str
    certificate: str
    expires_at: datetime


def is_open() -> bool:
    """True when the operator has turned the SSH door on."""
    return bool(settings.SSH_DOOR_PORT)


def address() -> str | None:
    """Where the SSH door is, as people write it; None without one."""
    return f"{USER}@{settings.SSH_DOOR_HOST}:{settings.SSH_DOOR_PORT}" if is_open() else None


def ensure_keys() -> None:
    """The door's own keys are there, as they were before or new."""
    folder: Path = settings.SSH_DOOR_KEYS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("signing_key", "host_key"):
        _ensure_key(folder / name)


def host_line() -> str:
    """The line of a ``known_hosts`` file by which clients know the door."""
    host, port = settings.SSH_DOOR_HOST, settings.SSH_DOOR_PORT
    where = host if port == 22 else f"[{host}]:{port}"
    return f"{where} {_public_text('host_key')}"


def signing_line() -> str:
    """The public key whose certificates sshd believes."""
    return _public_text("signing_key")


def certify(link: TransferLink, public_key: str = "", *, until: datetime | None = None) -> Certified:
    """A certificate of ``link`` for ``public_key``, or for a new key, that ends with the link, or at ``until``.

    UserError ``bad_public_key``; StateConflict ``ssh_door_closed`` where there is no SSH door.
    """
    if not is_open():
        raise StateConflict(
            "This portal has no SSH door.", code="ssh_door_closed", hint="Use the link by rclone or curl."
        )
    new = None if public_key.strip() else ed25519.Ed25519PrivateKey.generate()
    key = new.public_key() if new is not None else _read(public_key)
    end = min(link.expires_at, until) if until else link.expires_at
    options = {"force-command": f"{COMMAND} {link.pk}"}
    if link.networks:
        options["source-address"] = ",".join(link.networks)
    made = (
        serialization.SSHCertificateBuilder()
        .public_key(key)
        .serial(secrets.randbits(63))
        .type(serialization.SSHCertificateType.USER)
        .key_id(f"link {link.pk}".encode())
        .valid_principals([USER.encode()])
        .valid_after(int((timezone.now() - SKEW).timestamp()))
        .valid_before(int(end.timestamp()))
    )
    for name, value in sorted(options.items()):
        made = made.add_critical_option(name.encode(), value.encode())
    signed = made.sign(_load("signing_key")).public_bytes().decode()
    return Certified(private_key=_as_text(new) if new else "", certificate=signed, expires_at=end)


def _read(text: str) -> PublicKey:
    words = text.split()
    try:
        if len(text) > LONGEST_KEY or len(words) < 2 or "\n" in text.strip():
            raise ValueError(text)
        key = serialization.load_ssh_public_key(" ".join(words[:2]).encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad("This is not a public key as ssh-keygen writes it, in one line.") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < LEAST_RSA_BITS:
        raise _bad(f"An RSA key needs at least {LEAST_RSA_BITS} bits.")
    if not isinstance(key, PublicKey):
        raise _bad("Keys are of the kinds ed25519, ecdsa and rsa.")
    return key


def _bad(message: str) -> UserError:
    hint = "Give the line of a file such as ~/.ssh/id_ed25519.pub, or nothing for a new key."
    return UserError(message, code="bad_public_key", field="public_key", hint=hint)


def _ensure_key(file: Path) -> None:
    if file.exists():
        return
    new = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        handle.write(_as_text(ed25519.Ed25519PrivateKey.generate()))
    try:
        os.link(new, file)  # of two at once, the first one's key is taken
    except FileExistsError:
        pass
    finally:
        new.unlink()


def _load(name: str) -> ed25519.Ed25519PrivateKey:
    ensure_keys()
    key = serialization.load_ssh_private_key((settings.SSH_DOOR_KEYS / name).read_bytes(), password=None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise TypeError(f"{name} is no ed25519 key")
    return key


def _public_text(name: str) -> str:
    form = serialization.PublicFormat.OpenSSH
    return _load(name).public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()


def _as_text(key: ed25519.Ed25519PrivateKey) -> str:
    nothing = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, nothing).decode()
