"""What the doors let in: certificates and tokens, read at the start and again at SIGHUP.

What cannot be read at the start ends it. Later it leaves what was read before in force, so that a
mistake in a file neither opens a door nor closes it.
"""

from __future__ import annotations

import logging
import os
import secrets
import ssl
import stat
from collections.abc import Sequence
from pathlib import Path

import trio

from trio_stream.access.guard import Guard
from trio_stream.access.rates import Rate
from trio_stream.access.tokens import Tokens, TokensError, read_tokens
from trio_stream.config import DoorSettings
from trio_stream.http import server as http_server
from trio_stream.net.listeners import is_local
from trio_stream.net.tls import CertificateError, server_context

logger = logging.getLogger(__name__)

# More is no list of tokens.
_MOST_BYTES = 1024 * 1024


class Credentials:
    """The certificates and tokens that are in force.

    Raises `CertificateError` or `TokensError` if a file cannot be used.
    """

    def __init__(self, config: DoorSettings) -> None:
        self._config = config
        self._contexts = self._read_certificates()
        tokens = self._read_tokens()
        self.guard = Guard(
            tokens=tokens,
            origins=self._origins(),
            requests=_rate(config.requests_per_address),
            post_bytes=_rate(config.post_bytes_per_address),
            trusted_proxies=config.trusted_proxies,
            make_ticket=secrets.token_urlsafe,
            clock=trio.current_time,
        )

    @property
    def has_tls(self) -> bool:
        return self._contexts is not None

    @property
    def asks_for_something(self) -> bool:
        """Must a client have a token or a certificate?"""
        config = self._config
        return config.tokens is not None or config.tls_client_ca is not None

    @property
    def guard_of_doors(self) -> Guard | None:
        """The guard that doors ask; None where everything is allowed."""
        return None if self.guard.limits_nothing else self.guard

    def stream_tls(self) -> ssl.SSLContext:
        """For the next connection to the WebSocket door."""
        assert self._contexts is not None
        return self._contexts[0]

    def api_tls(self) -> ssl.SSLContext:
        """For the next connection to the HTTP door."""
        assert self._contexts is not None
        return self._contexts[1]

    def reload(self) -> None:
        """Read the files again; what cannot be used leaves the former in force."""
        if self._contexts is not None:
            try:
                self._contexts = self._read_certificates()
            except CertificateError as error:
                logger.error("the certificate in use stays: %s", error)
            else:
                logger.info("read %s again", self._config.tls_certificate)
        if self._config.tokens is not None:
            try:
                tokens = self._read_tokens()
                assert tokens is not None
            except TokensError as error:
                logger.error("the tokens in use stay: %s", error)
            else:
                ended = self.guard.replace(tokens)
                logger.info(
                    "read %s again: %d tokens; streams ended whose token is not among"
                    " them: %d",
                    self._config.tokens,
                    len(tokens),
                    ended,
                )

    def warn_if_open(self, door: str, listeners: Sequence[trio.SocketListener]) -> None:
        """Log who can use this door if other machines reach it."""
        if all(is_local(listener) for listener in listeners):
            return
        config, address = self._config, getattr(self._config, door)
        if not self.asks_for_something:
            what = "read" if door == "stream" else "read and post"
            logger.warning(
                "%s is bound to %s: everybody who can connect may %s; set `tokens` or"
                " `tls_client_ca`, or bind it to loopback",
                *(door, address, what),
            )
        elif not self.has_tls and not config.trusted_proxies:
            logger.warning(
                "%s is bound to %s without TLS: tokens can be read on the way; set"
                " `tls_certificate` and `tls_key`, or `trusted_proxies` if a proxy encrypts",
                *(door, address),
            )

    def _read_certificates(self) -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
        config = self._config
        files = config.tls_certificate, config.tls_key
        stream = server_context(*files, client_ca=config.tls_client_ca)
        api = server_context(
            *files, client_ca=config.tls_client_ca, alpn=http_server.ALPN
        )
        return None if stream is None or api is None else (stream, api)

    def _read_tokens(self) -> Tokens | None:
        file = self._config.tokens
        return None if file is None else read_file(file)

    def _origins(self) -> frozenset[str] | None:
        """Once something is asked of clients, only pages that are allowed may ask for it."""
        origins = self._config.allowed_origins
        return frozenset(origins) if origins or self.asks_for_something else None


def read_file(file: Path) -> Tokens:
    """The tokens in this file. Raises `TokensError`, which names the file."""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise TokensError(f"it has more than {_MOST_BYTES} bytes")
        tokens = read_tokens(data.decode("utf-8"))
    except OSError as error:
        raise TokensError(f"tokens {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise TokensError(f"tokens {file}: it is not UTF-8") from None
    except TokensError as error:
        raise TokensError(f"tokens {file}: {error}") from None
    if mode & stat.S_IROTH and b"sha256" not in data:
        logger.warning(
            "every user of this machine can read the tokens in %s: chmod 600, or list"
            " their sha256",
            file,
        )
    return tokens


def _rate(per_second: int) -> Rate | None:
    return Rate(per_second) if per_second else None
