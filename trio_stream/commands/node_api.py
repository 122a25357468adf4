"""A daemon's HTTP server, for commands that ask it: found by the settings it runs with."""

from __future__ import annotations

import json
import ssl
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final

from trio_stream.config import Config

PATIENCE: Final = 10.0
"""Seconds for each answer of the daemon, which may wait 5 s for its disk."""
LONGEST: Final = 4 << 20
"""Bytes of an answer that are read: any transaction, or some ten thousand validators."""
_HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class NodeSilent(Exception):
    """The daemon cannot be asked, or gives no answer; the text says why."""


class NodeApi:
    """Asks the daemon that has these settings, with a token if there is one."""

    def __init__(self, config: Config, token: str = "") -> None:
        self.config = config
        self._token = token

    def get(self, target: str) -> tuple[int, Any]:
        """The status and the JSON of an answer. Raises `NodeSilent`."""
        return self._ask("GET", target, None, PATIENCE)

    def commit(self, document: object) -> tuple[int, Any]:
        """Post a transaction, and wait for the block. Raises `NodeSilent`."""
        body = json.dumps(document).encode("ascii")
        patience = self.config.commit_timeout + self.config.node_timeout + PATIENCE
        target = "/api/v1/transactions?mode=commit"
        return self._ask("POST", target, body, patience)

    def why(self, status: int, said: Any) -> str:
        """Why a request was refused."""
        if status == 401:
            asked = "the token is not valid" if self._token else "a token is needed"
            return f"{asked} (--token-file FILE)"
        text = said.get("message") if isinstance(said, dict) else None
        return text if isinstance(text, str) else f"status {status}"

    def unlike(self) -> NodeSilent:
        """The error for an answer that no node gives."""
        return NodeSilent(f"{self.config.api} is not a node's HTTP server")

    def _ask(
        self, method: str, target: str, body: bytes | None, patience: float
    ) -> tuple[int, Any]:
        api = self.config.api
        if not api.port:
            raise NodeSilent("which port it listens on is not known (api has port 0)")
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            with closing(_connection(self.config, patience)) as connection:
                connection.request(method, target, body, headers)
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read(LONGEST))
        except (ValueError, RecursionError) as error:
            raise self.unlike() from error
        except (OSError, HTTPException) as error:
            raise NodeSilent(f"{api}: {error or type(error).__name__}") from error


def _connection(config: Config, patience: float) -> HTTPConnection:
    host, port = _HERE.get(config.api.host, config.api.host), config.api.port
    if not config.tls_certificate:
        return HTTPConnection(host, port, timeout=patience)
    # Whoever has the node's own certificate is the node, whatever name was used to call it.
    context = ssl.create_default_context(cafile=config.tls_certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    if config.tls_client_ca and config.tls_key:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    return HTTPSConnection(host, port, timeout=patience, context=context)
