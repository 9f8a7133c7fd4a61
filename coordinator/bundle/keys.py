"""The Ed25519 key of an installation, which signs bundles, and public keys as text."""

import base64
import binascii
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from coordinator.private_files import own_text, write_new
from domain.values.texts import error_text

PREFIX = "ed25519:"
SIGNATURE_BYTES = 64
_RAW_BYTES = 32
_PEM = "-----BEGIN PUBLIC KEY-----"


class KeyUnusable(RuntimeError):
    """The key of this installation cannot be read or made; the message names its file."""


class PublicKey:
    """What checks signatures. Its text is ``ed25519:`` and 32 bytes in base64."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """From its text, or from PEM. Raises ``ValueError``."""
        text = text.strip()
        if text.startswith(_PEM):
            key = load_pem_public_key(text.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("it is a key of another kind than Ed25519")
            return cls(key)
        if not text.startswith(PREFIX):
            raise ValueError(f"a public key begins with {PREFIX!r} or {_PEM!r}")
        try:
            raw = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except binascii.Error as error:
            raise ValueError(f"what follows {PREFIX!r} is not base64: {error}") from error
        if len(raw) != _RAW_BYTES:
            raise ValueError(f"an Ed25519 key has {_RAW_BYTES} bytes, not {len(raw)}")
        return cls(Ed25519PublicKey.from_public_bytes(raw))

    @property
    def text(self) -> str:
        """As users copy it."""
        raw = self._key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return PREFIX + base64.b64encode(raw).decode("ascii")

    @property
    def pem(self) -> str:
        """As OpenSSL reads it."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """True if the signature of the message is by this key."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """What signs."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    def sign(self, message: bytes) -> bytes:
        """The signature, which is the same each time."""
        return self._key.sign(message)


def signing_key(file: Path) -> SigningKey:
    """The key in ``file``, which is made at its first use, with mode 0600. Raises :class:`KeyUnusable`."""
    try:
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = Ed25519PrivateKey.generate()
            pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            write_new(file, pem.decode("ascii"))  # if another process was first, its key counts
        key = load_pem_private_key(own_text(file).encode(), None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyUnusable(f"the signing key {file} cannot be used: {error_text(error)}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"the signing key {file} is of another kind than Ed25519")
    return SigningKey(key)
