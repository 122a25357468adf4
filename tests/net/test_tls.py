"""The certificate at the start: each mistake is named with its file."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from trio_stream.net.tls import CertificateError, server_context

PKCS8, PEM, DER = PrivateFormat.PKCS8, Encoding.PEM, Encoding.DER


class Files:
    """A certificate and its key, before anybody did something wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "cert.pem"
        self.key = folder / "key.pem"
        self.private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        self.made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.private.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(self.private, hashes.SHA256())
        )
        self.certificate.write_bytes(self.made.public_bytes(PEM))
        self.write_key(self.private)

    def write_key(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.key.write_bytes(key.private_bytes(PEM, PKCS8, NoEncryption()))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_valid_pair_is_accepted(files: Files) -> None:
    context = server_context(files.certificate, files.key, alpn=("http/1.1",))
    assert context is not None
    assert context.protocol is ssl.PROTOCOL_TLS_SERVER


def test_without_a_certificate_there_is_no_tls(files: Files) -> None:
    assert server_context(None, None) is None
    assert server_context(files.certificate, None) is None


def test_a_door_offers_the_protocols_that_it_is_given(files: Files) -> None:
    for alpn, chosen in [(("http/1.1",), "http/1.1"), ((), None)]:
        context = server_context(files.certificate, files.key, alpn=alpn)
        assert context is not None
        assert _protocol_agreed_on(context) == chosen


def _protocol_agreed_on(server: ssl.SSLContext) -> str | None:
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_alpn_protocols(["h2", "http/1.1"])
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up),
        server.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(2):
        for end in ends:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ends[0].selected_alpn_protocol()


def no_certificate(files: Files) -> None:
    files.certificate.unlink()


def no_key(files: Files) -> None:
    files.key.unlink()


def certificate_is_a_directory(files: Files) -> None:
    files.certificate.unlink()
    files.certificate.mkdir()


def junk_certificate(files: Files) -> None:
    files.certificate.write_text("junk")


def empty_key(files: Files) -> None:
    files.key.write_text("")


def exchanged(files: Files) -> None:
    certificate = files.certificate.read_bytes()
    files.certificate.write_bytes(files.key.read_bytes())
    files.key.write_bytes(certificate)


def certificate_for_a_key(files: Files) -> None:
    files.key.write_bytes(files.certificate.read_bytes())


def der(files: Files) -> None:
    files.certificate.write_bytes(files.made.public_bytes(DER))


def damaged_certificate(files: Files) -> None:
    lines = files.certificate.read_text().splitlines()
    files.certificate.write_text("\n".join([lines[0], "AAAA", lines[-1], ""]))


def damaged_key(files: Files) -> None:
    lines = files.key.read_text().splitlines()
    files.key.write_text("\n".join([lines[0], "AAAA", lines[-1], ""]))


def another_key(files: Files) -> None:
    files.write_key(ec.generate_private_key(ec.SECP256R1()))


def encrypted_key(files: Files) -> None:
    secret = BestAvailableEncryption(b"secret")
    files.key.write_bytes(files.private.private_bytes(PEM, PKCS8, secret))


@pytest.mark.parametrize(
    ("mistake", "named"),
    [
        (no_certificate, "tls_certificate .*cert.pem: No such file"),
        (no_key, "tls_key .*key.pem: No such file"),
        (certificate_is_a_directory, "tls_certificate .*cert.pem: Is a directory"),
        (junk_certificate, "tls_certificate .*cert.pem does not hold a certificate"),
        (empty_key, "tls_key .*key.pem does not hold a private key"),
        (exchanged, "tls_certificate .*cert.pem .*holds a key"),
        (certificate_for_a_key, "tls_key .*key.pem .*holds a certificate"),
        (der, "tls_certificate .*cert.pem .*looks like DER"),
        (damaged_certificate, "tls_certificate .*cert.pem is damaged"),
        (damaged_key, "tls_key .*key.pem with"),
        (another_key, "tls_key .*key.pem is not the key of"),
        (encrypted_key, "tls_key .*key.pem is encrypted.*openssl pkey"),
    ],
)
def test_a_mistake_is_named_with_its_file(
    files: Files, mistake: Callable[[Files], None], named: str
) -> None:
    mistake(files)
    with pytest.raises(CertificateError, match=named):
        server_context(files.certificate, files.key)


def test_clients_are_asked_for_certificates_of_an_authority(files: Files) -> None:
    name = files.made.subject
    authority = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(files.private.public_key())
        .serial_number(2)
        .not_valid_before(files.made.not_valid_before_utc)
        .not_valid_after(files.made.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(files.private, hashes.SHA256())
    )
    file = files.folder / "authority.pem"
    file.write_bytes(authority.public_bytes(PEM))

    context = server_context(files.certificate, files.key, client_ca=file)

    assert context is not None and context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"x", "does not hold a certificate"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "is damaged",
        ),
        (None, "no certificate of an authority"),
    ],
)
def test_a_file_without_an_authority_is_named(
    files: Files, data: bytes | None, why: str
) -> None:
    file = files.folder / "authority.pem"
    file.write_bytes(files.certificate.read_bytes() if data is None else data)
    with pytest.raises(CertificateError, match=why) as caught:
        server_context(files.certificate, files.key, client_ca=file)
    assert f"tls_client_ca {file}" in str(caught.value)
