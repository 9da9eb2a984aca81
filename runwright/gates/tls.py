"""Whether a server's certificate is valid, for this name, and for long enough."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runwright.engine.actions import Do, Read
from runwright.engine.there.ports import connected
from runwright.errors import ActionError, InputError, ObservationError
from runwright.gates.shape import Asking
from runwright.policy.gates import Answer, GateResult, GateState, ask
from runwright.runbook.gates import Gate, TlsDays

TIMEOUT_SECONDS: Final = 10.0
DAY_SECONDS: Final = 86400.0

# X509_V_ERR_* of OpenSSL's x509_vfy.h
_PROBLEMS: Final = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed, and browsers do not trust it",
    19: "its chain ends in a self-signed certificate that is not trusted here",
    20: "its issuer is not trusted here, or the server does not send the intermediate certificates",
    21: "its issuer is not trusted here, or the server does not send the intermediate certificates",
    62: "it is for another name",
    64: "it is for another address",
}


@dataclass(frozen=True)
class Certificate:
    """What a server showed: whom it is for, who issued it, when it is valid, and why it is not trusted ("" if it is)."""

    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    problem: str


def tls_valid(
    do: Do, gate_id: str, spec: TlsDays, *, url: str, now: datetime, ca_file: Path | None = None
) -> GateResult:
    """Return whether the certificate at ``url`` (filled in already) is trusted and valid for ``spec.days`` days more.

    ``ca_file`` is a certificate authority to trust besides the machine's own. Blind if nothing there speaks TLS.
    """

    def question() -> Answer:
        host, port = _place(url)
        read = Read(
            says=f"look at the certificate of {host}:{port}",
            function=lambda: read_certificate(host, port, ca_file),
            deadline_seconds=3 * TIMEOUT_SECONDS,
            asks=True,
        )
        return judge(do(read), spec.days, f"{host}:{port}", now)

    return ask(gate_id, now, question)


def judge(certificate: Certificate, days: int, place: str, now: datetime) -> Answer:
    """Return what ``certificate`` says about being valid for ``days`` days from ``now``."""
    left = (certificate.not_after - now).total_seconds() / DAY_SECONDS
    until = f"{certificate.not_after:%Y-%m-%d %H:%M} UTC"
    if certificate.problem or left <= 0:
        names = ", ".join(certificate.names) or "no name"
        why = certificate.problem or "it has expired"
        return (
            GateState.FAIL,
            f"The certificate of {place} is not valid: {why} (for {names}; by {certificate.issuer}; until {until}).",
        )
    if left < days:
        return GateState.FAIL, f"The certificate of {place} expires in {left:.1f} days ({until}), fewer than {days}."
    return GateState.PASS, f"The certificate of {place} is valid for {left:.1f} days ({until}), at least {days}."


def read_certificate(host: str, port: int, ca_file: Path | None = None) -> Certificate:
    """Return the certificate that ``host`` shows, and whether it is trusted.

    Raise ActionError if nothing answers there, ObservationError if what answers does not speak TLS.
    """
    trusting = ssl.create_default_context()
    if ca_file is not None:
        trusting.load_verify_locations(cafile=str(ca_file))
    try:
        return _described(_shown(host, port, trusting), "")
    except ssl.SSLCertVerificationError as error:
        problem = _PROBLEMS.get(error.verify_code, f"{error.verify_message} ({error.verify_code})")
    # shown again without trust, only to say what is wrong with it; nothing is sent
    looking = ssl.create_default_context()
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE
    return _described(_shown(host, port, looking), problem)


def _shown(host: str, port: int, context: ssl.SSLContext) -> bytes:
    try:
        with (
            connected(host, port, TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        raise ObservationError(
            f"{host}:{port} does not speak TLS as we do ({error.reason or 'unknown reason'}).",
            next="Check the address and the port.",
        ) from error
    except OSError as error:
        raise ActionError(
            f"{host}:{port} cannot be reached: {error.strerror or error}.",
            next="Check the address, and that this machine may connect to it.",
        ) from error


def _described(der: bytes, problem: str) -> Certificate:
    from cryptography import x509  # 8 MiB that only a release with this gate needs

    certificate = x509.load_der_x509_certificate(der)
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = (
            *alternatives.get_values_for_type(x509.DNSName),
            *map(str, alternatives.get_values_for_type(x509.IPAddress)),
        )
    except x509.ExtensionNotFound:
        names = ()
    return Certificate(
        names=tuple(names),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        problem=problem,
    )


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        port = 443 if parts.port is None else parts.port
    except ValueError:
        port = 0
    if parts.scheme != "https" or not parts.hostname or not port:
        raise InputError(f"{parts.scheme}://{parts.hostname} has no certificate.", next="Give an address with https.")
    return parts.hostname, port


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""
    assert gate.tls is not None
    return tls_valid(asking.do, gate.id, gate.tls, url=asking.fill(gate.tls.url), now=asking.now)
