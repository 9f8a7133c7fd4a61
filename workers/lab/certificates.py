"""The certificate of a lab, for the program in it that speaks TLS: the proxy, or else the origin.

Each lab has its own, signed by its own authority, so that another lab's server cannot answer in its place. The
authority's key is never written. The server's key is readable by its user alone, and is gone with the lab.
"""

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from workers.lab import unprivileged
from workers.lab.lab import Lab

PLACE = "tls"
"""The directory below a lab's run directory."""

_EARLIER, _VALID = timedelta(hours=1), timedelta(days=2)


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate, whether they exist yet or not."""

    directory: Path

    @property
    def authority(self) -> Path:
        """What clients trust, and nothing else."""
        return self.directory / "authority.pem"

    @property
    def server(self) -> Path:
        """The server's certificate. HAProxy finds the key by its name."""
        return self.directory / "server.pem"

    @property
    def key(self) -> Path:
        """The server's key."""
        return self.directory / "server.pem.key"


def of(lab: Lab) -> Certificate:
    """The certificate of a lab; see :func:`made_for`."""
    return Certificate(lab.run_dir / PLACE)


def made_for(lab: Lab) -> Certificate:
    """The certificate of a lab, made unless it exists, for every address that its clients may connect to.

    It belongs to the user of programs that are not root. Raises ``OSError``.
    """
    place = unprivileged.directory(lab.run_dir, PLACE)
    found = of(lab)
    if not found.authority.exists():
        make(place, (lab.server_address, lab.dut_client_address, lab.virtual_address))
        os.chown(found.key, unprivileged.UID, unprivileged.UID)
    return found


def make(directory: Path, addresses: Iterable[str]) -> Certificate:
    """Make an authority, and a certificate for a server with these addresses: P-256, two days. Raises ``OSError``."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name, name = _name("showdown-lab-authority"), _name("showdown-lab")
    authority = _signed(authority_name, authority_key.public_key(), authority_name, authority_key, None)
    server = _signed(name, key.public_key(), authority_name, authority_key, addresses)
    made = Certificate(directory)
    made.server.write_bytes(server.public_bytes(Encoding.PEM))
    secret = os.open(made.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(secret, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made.authority.write_bytes(authority.public_bytes(Encoding.PEM))  # the last one: it says that all are there
    return made


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    name: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    addresses: Iterable[str] | None,
) -> x509.Certificate:
    """A certificate; of an authority if it has no addresses."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=addresses is None, path_length=None), critical=True)
    )
    if addresses is not None:
        names = [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
