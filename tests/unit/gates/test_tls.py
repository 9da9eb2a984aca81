"""The TLS gate: asked of real TLS servers on this machine, with certificates made for each test."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runwright.gates.tls import Certificate, judge, tls_valid
from runwright.policy.gates import GateResult, GateState
from runwright.runbook.gates import TlsDays
from runwright.testing.direct import Direct

NOW = datetime.now(UTC)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


@dataclass
class Authority:
    """A certificate authority of this test."""

    key: ec.EllipticCurvePrivateKey
    file: Path

    def issue(self, folder: Path, days: float, host: str, *, self_signed: bool = False) -> Path:
        """Return a PEM file with a key and a certificate for ``host`` that ends ``days`` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternative: x509.GeneralName = x509.DNSName(host)
        with contextlib.suppress(ValueError):
            alternative = x509.IPAddress(ipaddress.ip_address(host))
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(host))
            .issuer_name(name(host if self_signed else "test authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=100))
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key((key if self_signed else self.key).public_key()),
                critical=False,
            )
        )
        certificate = builder.sign(key if self_signed else self.key, hashes.SHA256())
        file = folder / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return file


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name("test authority"))
        .issuer_name(name("test authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=100))
        .not_valid_after(NOW + timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(key, file)


@pytest.fixture
def serve() -> Iterator[Callable[[Path | None], int]]:
    """Start servers that shake hands (or, without a certificate, say something in clear); return their ports."""
    with contextlib.ExitStack() as ends:

        def start(pem: Path | None) -> int:
            listener = socket.create_server(("127.0.0.1", 0))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if pem is not None:
                context.load_cert_chain(pem)

            def answer() -> None:
                while True:
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    with contextlib.suppress(OSError), connection:
                        if pem is None:
                            connection.sendall(b"220 smtp.example.com ready\r\n")
                        else:
                            context.wrap_socket(connection, server_side=True).close()

            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            ends.callback(thread.join)
            ends.callback(listener.close)
            ends.callback(listener.shutdown, socket.SHUT_RDWR)
            return int(listener.getsockname()[1])

        yield start


def asked(port: int, ca_file: Path | None, host: str = "127.0.0.1", days: int = 14) -> GateResult:
    spec = TlsDays.model_validate({"url": "${url.api}", "days": days})
    return tls_valid(Direct(), "tls", spec, url=f"https://{host}:{port}/x", now=NOW, ca_file=ca_file)


@pytest.mark.parametrize(
    ("days", "state", "reason"),
    [
        (60.5, "pass", "is valid for 60.5 days"),
        (14.5, "pass", "at least 14"),
        (13.5, "fail", "expires in 13.5 days"),
        (0.5, "fail", "fewer than 14"),
        (-3.0, "fail", "it has expired"),
    ],
)
def test_a_certificate_must_be_valid_for_long_enough(
    authority: Authority,
    serve: Callable[[Path | None], int],
    tmp_path: Path,
    days: float,
    state: str,
    reason: str,
) -> None:
    """The reason holds the days and the date."""
    port = serve(authority.issue(tmp_path, days, "127.0.0.1"))
    result = asked(port, authority.file)
    assert result.state is GateState(state)
    assert reason in result.reason
    assert f"{NOW + timedelta(days=days):%Y-%m-%d}" in result.reason


def test_a_certificate_for_another_name_is_not_valid(
    authority: Authority, serve: Callable[[Path | None], int], tmp_path: Path
) -> None:
    """Whom it is for is told, so that the mistake is seen at once."""
    port = serve(authority.issue(tmp_path, 60, "shop.example.com"))
    result = asked(port, authority.file, host="localhost")
    assert result.state is GateState.FAIL
    assert "it is for another name" in result.reason
    assert "shop.example.com" in result.reason
    assert "it is for another address" in asked(port, authority.file).reason


def test_a_self_signed_certificate_is_not_valid(
    authority: Authority, serve: Callable[[Path | None], int], tmp_path: Path
) -> None:
    """It is trusted by nobody but its owner."""
    result = asked(serve(authority.issue(tmp_path, 60, "127.0.0.1", self_signed=True)), authority.file)
    assert result.state is GateState.FAIL
    assert "self-signed" in result.reason


def test_an_unknown_authority_is_not_trusted(
    authority: Authority, serve: Callable[[Path | None], int], tmp_path: Path
) -> None:
    """Without the authority's own certificate its signature proves nothing."""
    result = asked(serve(authority.issue(tmp_path, 60, "127.0.0.1")), None)
    assert result.state is GateState.FAIL
    assert "not trusted here" in result.reason


def test_a_server_without_tls_is_blind(serve: Callable[[Path | None], int]) -> None:
    """Something answers, but shows no certificate that could be judged."""
    result = asked(serve(None), None)
    assert result.state is GateState.BLIND
    assert "does not speak TLS" in result.reason


def test_nobody_answering_is_blind() -> None:
    """What cannot be seen is not judged."""
    result = asked(1, None)
    assert result.state is GateState.BLIND
    assert "127.0.0.1:1 cannot be reached: Connection refused." in result.reason


@pytest.mark.parametrize(
    "url", ["http://shop.example.com", "shop.example.com", "https://", "https://a:0", "https://a:x"]
)
def test_an_address_without_tls_has_no_certificate(url: str) -> None:
    """The message says what to write instead, and nothing is asked."""
    result = tls_valid(Direct(), "tls", TlsDays.model_validate({"url": "x"}), url=url, now=NOW)
    assert result.state is GateState.BLIND
    assert "https" in result.reason


def test_the_clock_of_the_release_decides() -> None:
    """A certificate that was trusted a moment ago and has ended by ``now`` is not valid."""
    certificate = Certificate(("a",), "CN=b", NOW - timedelta(days=2), NOW - timedelta(days=1), "")
    assert judge(certificate, 14, "a:443", NOW)[0] is GateState.FAIL
