"""The certificate that both fronts show."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from services.runtime.errors import FailedPrecondition

if TYPE_CHECKING:
    # The settings name the limits, which are this package's.
    from gateway.settings import GatewaySettings

_CERT = "ANTIPHON_GATEWAY_TLS_CERT"
_KEY = "ANTIPHON_GATEWAY_TLS_KEY"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its private key, found to belong together.

    Attributes:
        context: for HTTP; TLS 1.2 or newer.
        credentials: for gRPC, which takes TLS 1.2 or newer by itself.
    """

    context: ssl.SSLContext
    credentials: grpc.ServerCredentials


def load_certificate(settings: "GatewaySettings") -> Certificate | None:
    """The certificate that the settings name; None where they name none.

    Raises:
        FailedPrecondition: a file is missing or is something else, or the two do not belong together.
    """
    if not settings.tls_cert and not settings.tls_key:
        return None
    for path, name, other in (
        (settings.tls_cert, _CERT, _KEY),
        (settings.tls_key, _KEY, _CERT),
    ):
        if not path:
            raise FailedPrecondition(f"{name}: is needed where {other} is set")
    certificate = _read(settings.tls_cert, _CERT, b"-----BEGIN CERTIFICATE-----")
    key = _read(settings.tls_key, _KEY, b"PRIVATE KEY-----")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password of ours OpenSSL would ask for one on the terminal.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except ssl.SSLError as error:
        raise FailedPrecondition(_problem(settings, key, error)) from None
    return Certificate(context, grpc.ssl_server_credentials([(key, certificate)]))


def _read(path: str, name: str, mark: bytes) -> bytes:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise FailedPrecondition(f"{name}={path}: {error.strerror}") from None
    if mark not in content:
        what = "certificate" if name == _CERT else "private key"
        raise FailedPrecondition(f"{name}={path}: holds no {what} in PEM")
    return content


def _problem(settings: "GatewaySettings", key: bytes, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{_KEY}={settings.tls_key}: is not the key of the certificate {settings.tls_cert}"
    if b"ENCRYPTED" in key:
        return f"{_KEY}={settings.tls_key}: is encrypted; store it without a passphrase"
    return (
        f"{_CERT}={settings.tls_cert} and {_KEY}={settings.tls_key}: cannot be used "
        f"({error.reason or 'not understood'})"
    )
