"""Open files: how many connections the outer doors may have, so that some are left for the rest.

Each connection is an open file, and so are the log, the engine's connections and ours to it. Where
the system allows fewer than all doors together would take, the doors that the world can reach are
given less: one more client can be told to come again; an engine that finds no descriptor stands
still, and a log that finds none ends the node.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import replace
from typing import Final

from trio_stream.config import Config, ConfigError
from trio_stream.engine.places import MAX_CONNECTIONS as ABCI_CONNECTIONS
from trio_stream.http.server import STRANGERS

logger = logging.getLogger(__name__)

RESERVED: Final = 128
"""For the log's connections (three files each), listeners, standard streams, name look-ups."""

LEAST: Final = 64
"""What the outer doors must have together."""

_SECONDS_BETWEEN_WARNINGS = 60.0


def fit(config: Config) -> Config:
    """The same settings, with limits of connections that the limit of open files can bear.

    Raises the soft limit, and `ConfigError` if not even a few can be served.
    """
    # An address may be tried in both families at once.
    kept = RESERVED + ABCI_CONNECTIONS + 2 * config.node_connections
    http_files = config.http_connections + min(STRANGERS, config.http_connections)
    doors = config.max_clients + config.max_handshakes + http_files
    allowed = _allow(kept + doors)
    if allowed >= kept + doors:
        return config
    room = allowed - kept
    if room < LEAST:
        raise ConfigError(
            f"only {allowed} files may be open, and {kept + LEAST} must be: raise the limit"
            " (ulimit -n, LimitNOFILE= of systemd)"
        )
    handshakes = min(config.max_handshakes, room // 8)
    others = room - config.max_clients - handshakes
    http_files = min(http_files, max(room // 4, others))
    # As many again, up to a number, are there to be told that it is full.
    http = max(http_files - STRANGERS, http_files // 2)
    clients = min(config.max_clients, room - handshakes - http_files)
    logger.warning(
        "only %d files may be open: max_clients is %d, max_handshakes %d and http_connections "
        "%d; for what is set, raise the limit to %d (ulimit -n, LimitNOFILE= of systemd)",
        *(allowed, clients, handshakes, http, kept + doors),
    )
    return replace(
        config, max_clients=clients, max_handshakes=handshakes, http_connections=http
    )


def _allow(wanted: int) -> int:
    """Raise the soft limit to `wanted`, or as far as it goes; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    asked = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (asked, hard))
    except (ValueError, OSError):  # some systems have a limit that they don't tell
        return soft
    return asked


class SeldomAndShort(logging.Filter):
    """For Trio's accept loops, which log a traceback ten times a second where no file is left."""

    _next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.created < self._next:
            return False
        self._next = record.created + _SECONDS_BETWEEN_WARNINGS
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        return True
