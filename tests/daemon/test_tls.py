"""Mutual TLS with self-signed certificates, over real sockets."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc

from daemon.channel import open_channel
from daemon.server import Server
from daemon.tls import (
    CERTIFICATE_FILE,
    KEY_FILE,
    Identity,
    Peer,
    Peers,
    caller,
    channel_credentials,
    fingerprint,
    host,
    load_certificate,
    make_certificate,
    read_certificate,
    server_credentials,
)
from protocol.audience import Reader
from protocol.errors import Reason, Refused
from tests.protocol.refusals import refuses


def make(tmp_path: Path, name: str) -> Identity:
    directory = tmp_path / name
    directory.mkdir(exist_ok=True)
    return make_certificate(name, directory)


@pytest.fixture
def alpha(tmp_path: Path) -> Identity:
    return make(tmp_path, "alpha")


@pytest.fixture
def vera(tmp_path: Path) -> Identity:
    return make(tmp_path, "vera")


def check(channel: grpc.Channel) -> int:
    """Ask for the server's health."""
    with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return int(stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status)


@pytest.fixture
def address(alpha: Identity, vera: Identity) -> Iterator[str]:
    """Alpha's server, which knows vera alone."""
    server = Server()
    port = server.listen_tls("127.0.0.1:0", server_credentials(alpha, [vera.certificate]))
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0)


def test_the_key_is_secret_and_the_certificate_lasts_ten_years(tmp_path: Path, alpha: Identity) -> None:
    certificate = x509.load_pem_x509_certificate(alpha.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert stat.S_IMODE((tmp_path / "alpha" / KEY_FILE).stat().st_mode) == 0o600
    assert names.get_values_for_type(x509.DNSName) == ["alpha.standstill.internal"]
    assert certificate.not_valid_after_utc > dt.datetime.now(dt.UTC) + dt.timedelta(days=3650)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_a_certificate_comes_back_as_made_and_shows_no_key(tmp_path: Path, alpha: Identity) -> None:
    assert load_certificate(tmp_path / "alpha") == alpha
    assert repr(alpha) == f"Identity({fingerprint(alpha.certificate)})"


def test_the_fingerprint_is_that_of_the_certificates_bytes(alpha: Identity) -> None:
    certificate = x509.load_pem_x509_certificate(alpha.certificate)

    assert fingerprint(alpha.certificate) == certificate.fingerprint(hashes.SHA256()).hex()


def test_never_overwrites_a_key(tmp_path: Path, alpha: Identity) -> None:
    with refuses(Reason.SECRET_EXISTS):
        make(tmp_path, "alpha")
    assert load_certificate(tmp_path / "alpha") == alpha


def test_refuses_what_is_no_certificate(tmp_path: Path, alpha: Identity) -> None:
    path = tmp_path / "alpha" / CERTIFICATE_FILE
    path.write_bytes(b"certainly not")

    with refuses(Reason.SECRET_MALFORMED, str(path)):
        read_certificate(path)
    with refuses(Reason.SECRET_ABSENT):
        read_certificate(tmp_path / "absent")


def test_two_peers_who_know_each_other_connect(address: str, alpha: Identity, vera: Identity) -> None:
    status = check(open_channel(address, vera, alpha.certificate, "alpha"))

    assert status == health_pb2.HealthCheckResponse.SERVING


def test_refuses_a_client_with_an_unknown_certificate(address: str, tmp_path: Path, alpha: Identity) -> None:
    stranger = make(tmp_path, "mallory")

    with pytest.raises(grpc.RpcError) as caught:
        check(open_channel(address, stranger, alpha.certificate, "alpha"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_refuses_a_stranger_who_uses_the_name_of_a_peer(address: str, tmp_path: Path, alpha: Identity) -> None:
    (tmp_path / "elsewhere").mkdir()
    stranger = make_certificate("vera", tmp_path / "elsewhere")

    with pytest.raises(grpc.RpcError) as caught:
        check(open_channel(address, stranger, alpha.certificate, "alpha"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_refuses_a_client_without_a_certificate(address: str, alpha: Identity) -> None:
    options = [("grpc.ssl_target_name_override", host("alpha"))]
    channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(alpha.certificate), options)

    with pytest.raises(grpc.RpcError) as caught:
        check(channel)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_refuses_a_client_without_tls(address: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        check(grpc.insecure_channel(address))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_client_refuses_a_server_with_another_certificate(address: str, tmp_path: Path, vera: Identity) -> None:
    other = make(tmp_path, "gamma")

    with pytest.raises(grpc.RpcError) as caught:
        check(open_channel(address, vera, other.certificate, "alpha"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_client_refuses_a_server_of_another_name(address: str, alpha: Identity, vera: Identity) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        check(open_channel(address, vera, alpha.certificate, "gamma"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_peer_cannot_vouch_for_others(address: str, alpha: Identity, vera: Identity) -> None:
    """A known certificate is a trust anchor; what its key has signed must stay worthless."""
    issued = issue(vera, "mallory")

    with pytest.raises(grpc.RpcError) as caught:
        check(open_channel(address, issued, alpha.certificate, "alpha"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def issue(issuer: Identity, name: str) -> Identity:
    """Sign a certificate with the key of another, which is no authority."""
    signer = serialization.load_pem_private_key(issuer.key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(x509.load_pem_x509_certificate(issuer.certificate).subject)
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host(name))]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    chain = certificate.public_bytes(serialization.Encoding.PEM) + issuer.certificate
    return Identity(pem, chain)


def test_refuses_to_listen_for_nobody(alpha: Identity) -> None:
    with refuses(Reason.CALLER_UNKNOWN, "peers"):
        server_credentials(alpha, [])


def test_the_server_knows_its_caller_by_the_certificate(alpha: Identity, vera: Identity) -> None:
    peers = Peers([(vera.certificate, Peer("vera", Reader.VERIFIER))])
    strangers = Peers([(alpha.certificate, Peer("alpha", Reader.PARTY))])
    seen: list[object] = []

    class Whoami(health_pb2_grpc.HealthServicer):
        def Check(
            self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
        ) -> health_pb2.HealthCheckResponse:
            seen.extend([caller(context), peers.of(context), peers.reader(context), strangers.reader(context)])
            try:
                strangers.of(context)
            except Refused as refused:
                seen.append(refused.reason)
            return health_pb2.HealthCheckResponse()

    server = grpc.server(futures.ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(Whoami(), server)
    port = server.add_secure_port("127.0.0.1:0", server_credentials(alpha, [vera.certificate]))
    server.start()
    options = [("grpc.ssl_target_name_override", host("alpha"))]
    check(grpc.secure_channel(f"127.0.0.1:{port}", channel_credentials(vera, alpha.certificate), options))
    server.stop(0).wait()

    known = Peer("vera", Reader.VERIFIER)
    expected = [fingerprint(vera.certificate), known, Reader.VERIFIER, Reader.PUBLIC, Reason.CALLER_UNKNOWN]
    assert seen == expected
