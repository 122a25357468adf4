"""TLS for a server of a test, and for the clients that know its certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from scripts.certificate import write_certificate

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
"""For the server and for its clients."""


def tls_contexts(directory: Path) -> Contexts:
    """A new certificate, written there, as both sides use it."""
    certificate, key = write_certificate(directory)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))
