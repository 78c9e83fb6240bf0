"""Mutual TLS without an authority: each side knows the other's own certificate, exchanged with the agreement.

Certificates are self-signed on P-256 (grpc refuses Ed25519 leaves) and may not sign others, so a trust anchor admits
exactly one peer. TLS says who calls, for audiences and limits; what is said is trusted for its signatures alone.
"""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from daemon.keyfiles import read_secret, write_secret
from protocol.audience import Reader
from protocol.errors import Reason, Refused, require

DOMAIN: Final = "standstill.internal"
VALID_YEARS: Final = 10
KEY_FILE: Final = "tls.key"
CERTIFICATE_FILE: Final = "tls.crt"

_CLOCK_SKEW: Final = dt.timedelta(days=1)
_SIGNS_HANDSHAKES: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Identity:
    """One side of a connection.

    Attributes:
        key: private key, PEM.
        certificate: certificate, PEM.
    """

    key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return f"Identity({fingerprint(self.certificate)})"


@dataclass(frozen=True, slots=True)
class Peer:
    """A known caller.

    Attributes:
        name: its name in the configuration; for parties, their name in the agreement.
        reader: what it may read.
    """

    name: str
    reader: Reader


class Peers:
    """The callers that a daemon knows, by the fingerprint of their certificate.

    A peer that made its own certificate an authority gains nothing: what it issues has another fingerprint.
    """

    def __init__(self, peers: Iterable[tuple[bytes, Peer]] = ()) -> None:
        """Take (certificate in PEM, peer) pairs."""
        self._by_fingerprint: Mapping[str, Peer] = {fingerprint(pem): peer for pem, peer in peers}

    def of(self, context: grpc.ServicerContext) -> Peer:
        """Who calls.

        Raises:
            Refused: CALLER_UNKNOWN.
        """
        found = caller(context)
        peer = self._by_fingerprint.get(found) if found is not None else None
        if peer is None:
            raise Refused(Reason.CALLER_UNKNOWN, "certificate", f"expected a known peer, found {found or 'none'}")
        return peer

    def reader(self, context: grpc.ServicerContext) -> Reader:
        """What the caller may read: that of its entry, the public's for a caller without one."""
        found = caller(context)
        peer = self._by_fingerprint.get(found) if found is not None else None
        return peer.reader if peer is not None else Reader.PUBLIC


def host(name: str) -> str:
    """The name that the certificate of the party `name` is made out to."""
    return f"{name}.{DOMAIN}"


def make_certificate(name: str, directory: Path) -> Identity:
    """Make a key (`tls.key`, mode 0600) and its certificate (`tls.crt`, for `<name>.standstill.internal`, ten years).

    Raises:
        Refused: SECRET_EXISTS.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(name, key)
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_pem = key.private_bytes(serialization.Encoding.PEM, pkcs8, plain)
    identity = Identity(key_pem, certificate.public_bytes(serialization.Encoding.PEM))
    write_secret(directory / KEY_FILE, identity.key)
    (directory / CERTIFICATE_FILE).write_bytes(identity.certificate)
    return identity


def load_certificate(directory: Path) -> Identity:
    """Read what :func:`make_certificate` wrote.

    Raises:
        Refused: SECRET_ABSENT, SECRET_EXPOSED, SECRET_MALFORMED.
    """
    key = read_secret(directory / KEY_FILE)
    return Identity(key, read_certificate(directory / CERTIFICATE_FILE))


def read_certificate(path: Path) -> bytes:
    """Read one certificate in PEM.

    Raises:
        Refused: SECRET_ABSENT, SECRET_MALFORMED.
    """
    try:
        pem = path.read_bytes()
        x509.load_pem_x509_certificate(pem)
    except OSError as error:
        what = f"expected a readable certificate: {error.strerror}"
        raise Refused(Reason.SECRET_ABSENT, str(path), what) from error
    except ValueError as error:
        raise Refused(Reason.SECRET_MALFORMED, str(path), "expected a certificate in PEM") from error
    return pem


def fingerprint(pem: bytes) -> str:
    """SHA-256 of the certificate's DER bytes, hexadecimal."""
    return sha256(ssl.PEM_cert_to_DER_cert(pem.decode("ascii").strip())).hexdigest()


def server_credentials(own: Identity, peers: Iterable[bytes]) -> grpc.ServerCredentials:
    """Credentials that admit the holders of these certificates (PEM) and nobody else.

    Raises:
        Refused: CALLER_UNKNOWN where nobody could call at all.
    """
    anchors = b"".join(peers)
    require(bool(anchors), Reason.CALLER_UNKNOWN, "peers", "expected at least one peer's certificate")
    pairs = [(own.key, own.certificate)]
    return grpc.ssl_server_credentials(pairs, root_certificates=anchors, require_client_auth=True)


def channel_credentials(own: Identity, peer: bytes) -> grpc.ChannelCredentials:
    """Credentials for a connection to the holder of exactly this certificate (PEM)."""
    return grpc.ssl_channel_credentials(peer, own.key, own.certificate)


def caller(context: grpc.ServicerContext) -> str | None:
    """The fingerprint of the caller's certificate; None where the transport has none, as on a Unix socket."""
    pem = context.auth_context().get("x509_pem_cert")
    return _cached_fingerprint(bytes(pem[0])) if pem else None


@lru_cache(maxsize=256)
def _cached_fingerprint(pem: bytes) -> str:
    return fingerprint(pem)


def _self_signed(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    both_ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        x509.CertificateBuilder(issuer_name=subject, subject_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + dt.timedelta(days=366 * VALID_YEARS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host(name))]), critical=False)
        # Not an authority: as a trust anchor it must not admit certificates that its holder issues. Of the two, it is
        # the key usage that TLS libraries heed in an anchor.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS_HANDSHAKES, critical=True)
        .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
        .sign(key, hashes.SHA256())
    )
