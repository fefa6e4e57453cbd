"""Secrets of others that are kept at rest: unreadable without this instance's secret key."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def seal(text: str) -> str:
    """``text``, encrypted and signed."""
    return _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The text; "" for what this instance's keys did not seal, as after a change of the secret key."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        return ""


def _keys() -> MultiFernet:
    return MultiFernet([_key(str(secret)) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _key(secret: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"portolan.sealing").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
