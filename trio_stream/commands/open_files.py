"""Open files: how many connections the public doors may have, so that enough files remain.

Every connection is an open file, and so are the log, the engine's connections and ours to the
engine. If the system allows fewer than all doors together may need, the public doors get less: a
client too many can be asked to come again, while an engine without a descriptor stands still, and a
log without one ends the node.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import replace
from typing import Final, TypeVar

from trio_stream.config import ConfigError, DoorSettings
from trio_stream.http.newcomers import STRANGERS

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=DoorSettings)

RESERVED: Final = 128
"""For the log's connections (three files each), listeners, standard streams, name resolution."""

LEAST: Final = 64
"""How many files the public doors together need at least."""

_SECONDS_BETWEEN_WARNINGS = 60.0


def fit(config: C, *, others: int) -> C:
    """The same settings, with their limits of connections within the limit of open files.

    `others` are files that must be left for what is no door. Raises the soft limit if it can.
    Raises `ConfigError` if too few clients could be served.
    """
    # Twice, because an address may be tried in both families at once.
    kept = RESERVED + others + 2 * config.node_connections
    http_files = config.http_connections + min(STRANGERS, config.http_connections)
    doors = config.max_clients + config.max_handshakes + http_files
    allowed = raise_limit(kept + doors)
    if allowed >= kept + doors:
        return config
    room = allowed - kept
    if room < LEAST:
        raise ConfigError(
            f"the limit of open files is {allowed}, and the daemon needs at least"
            f" {kept + LEAST}: raise the limit (ulimit -n, LimitNOFILE= of systemd)"
        )
    handshakes = min(config.max_handshakes, room // 8)
    left = room - config.max_clients - handshakes
    http_files = min(http_files, max(room // 4, left))
    # The HTTP door takes up to as many again, only to tell them that it is full.
    http = max(http_files - STRANGERS, http_files // 2)
    clients = min(config.max_clients, room - handshakes - http_files)
    logger.warning(
        "the limit of open files is %d, so max_clients is reduced to %d, max_handshakes to %d and"
        " http_connections to %d; for the configured values raise the limit to %d (ulimit -n,"
        " LimitNOFILE= of systemd)",
        *(allowed, clients, handshakes, http, kept + doors),
    )
    return replace(
        config, max_clients=clients, max_handshakes=handshakes, http_connections=http
    )


def raise_limit(wanted: int) -> int:
    """Raise the soft limit to `wanted`, or as far as possible; returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    asked = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (asked, hard))
    except (
        ValueError,
        OSError,
    ):  # some systems have another limit that they don't report
        return soft
    return asked


class SeldomAndShort(logging.Filter):
    """For Trio's accept loops, which log a traceback ten times a second if no file is left."""

    _next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.created < self._next:
            return False
        self._next = record.created + _SECONDS_BETWEEN_WARNINGS
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        return True
