"""The certificate that the doors present: read at the start, with plain errors if it is unusable.

OpenSSL's own errors name neither the file nor what was expected of it, and it asks the terminal for
a passphrase.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Final


class CertificateError(Exception):
    """The certificate or its key cannot be used; the text names the file and what is wrong."""


_CERTIFICATE: Final = re.compile(rb"-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----")
_KEY: Final = re.compile(rb"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----")


def server_context(
    certificate: Path | None,
    key: Path | None,
    *,
    client_ca: Path | None = None,
    alpn: tuple[str, ...] = (),
) -> ssl.SSLContext | None:
    """A door's TLS context; None without a certificate. Raises `CertificateError`.

    With `client_ca`, clients need a certificate of one of the authorities in that file.
    """
    if certificate is None or key is None:
        return None
    _look("tls_certificate", certificate, _CERTIFICATE, "certificate")
    _look("tls_key", key, _KEY, "private key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)

    def no_passphrase() -> str:
        raise CertificateError(
            f"tls_key {key} is encrypted, and the daemon cannot ask for its passphrase:"
            f" store it without one (openssl pkey -in {key} -out FILE)"
        )

    try:
        # Alone first: an error about the pair does not say which of them is wrong.
        context.load_verify_locations(certificate)
    except ssl.SSLError as error:
        raise CertificateError(
            f"tls_certificate {certificate} is damaged: {_cause(error)}"
        ) from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(
                f"tls_key {key} is not the key of the first certificate in"
                f" tls_certificate {certificate}"
            ) from error
        raise CertificateError(
            f"tls_key {key} with tls_certificate {certificate}: {_cause(error)}"
        ) from error
    # Whatever the system's configuration of OpenSSL says.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_ca is not None:
        _ask_for_certificates(context, client_ca)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def _ask_for_certificates(context: ssl.SSLContext, authorities: Path) -> None:
    _look("tls_client_ca", authorities, _CERTIFICATE, "certificate")
    try:
        context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        raise CertificateError(
            f"tls_client_ca {authorities} is damaged: {_cause(error)}"
        ) from error
    if not context.get_ca_certs():
        raise CertificateError(
            f"tls_client_ca {authorities} holds no certificate of an authority (CA:TRUE),"
            " so no client's certificate would be valid"
        )
    context.verify_mode = ssl.CERT_REQUIRED
    # From Python 3.13 on, certificates without RFC 5280's key identifiers would be refused, which
    # private authorities often leave out: what is valid must not depend on Python's version.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT


def _look(name: str, file: Path, wanted: re.Pattern[bytes], what: str) -> None:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CertificateError(f"{name} {file}: {error.strerror}") from error
    if wanted.search(data):
        return
    found = "it must be PEM (-----BEGIN ...)"
    if _CERTIFICATE.search(data):
        found = "it holds a certificate; give the key here"
    elif _KEY.search(data):
        found = "it holds a key; give the certificate here"
    elif data[:1] == b"\x30":
        found = (
            "it looks like DER; convert it to PEM (openssl x509 or pkey, -inform DER)"
        )
    raise CertificateError(f"{name} {file} does not hold a {what} in PEM: {found}")


def _cause(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
