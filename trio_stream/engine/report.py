"""What the ABCI door logs about connections that open, ask and close.

Lines about single requests are at DEBUG, and lines about connections are limited (`net.seldom`): an
engine's health check asks for Info each time, and strangers connect as often as they like. Anything
an operator has to act on is a warning.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import trio

from trio_stream.abci.connection import RemoteProtocolError
from trio_stream.abci.dialects import Codec
from trio_stream.abci.messages import Failure, Info, Request
from trio_stream.engine.places import AbciGuest
from trio_stream.net.listeners import is_local
from trio_stream.net.seldom import Seldom

logger = logging.getLogger(__name__)


def warn_if_exposed(listeners: Sequence[trio.SocketListener], address: str) -> None:
    """Warn if others than this machine can reach the door."""
    if not all(map(is_local, listeners)):
        logger.warning(
            "abci is bound to %s and has no authentication: anybody who can connect can commit"
            " blocks, which ends the chain; bind it to loopback or to a unix socket, or have a"
            " firewall admit only the engine",
            address,
        )


class Report:
    """The lines of one door."""

    def __init__(self) -> None:
        # An engine that restarts opens and closes four connections, which takes eleven lines.
        self._comings = Seldom(logger, at_most=60)
        self._troubles = Seldom(logger, at_most=10)
        self._latest_number = 0
        self._latest_codec: Codec | None = None
        self._worked_at = -math.inf

    def came(self, number: int, peer: str) -> None:
        self._latest_number = number
        self._comings.log(
            logging.INFO, "abci connection %d opened from %s", number, peer
        )

    def asks(self, guest: AbciGuest, requests: Sequence[Request]) -> None:
        """Log which dialect a connection speaks, and whether its engine would not speak it."""
        was_silent, is_first = not guest.speaks, not guest.heard
        guest.note(requests, trio.current_time())
        if logger.isEnabledFor(logging.DEBUG):
            for each in requests:
                logger.debug(
                    "abci connection %d: %s", guest.number, type(each).__name__
                )
        infos = [each for each in requests if isinstance(each, Info)]
        codec, dialect = guest.connection.codec, guest.connection.dialect
        if infos:
            self._latest_codec = codec
            # A health check asks as often as somebody makes one.
            self._comings.log(
                logging.INFO if was_silent else logging.DEBUG,
                "abci connection %d speaks %s (version %.40r)",
                guest.number,
                dialect,
                infos[0].version,
            )
        if is_first and codec is not self._latest_codec is not None:
            # An engine sends Info on another connection before anything but a Flush.
            self._troubles.log(
                logging.WARNING,
                "abci connection %d speaks %s, but the latest Info came from an engine that"
                " speaks %s",
                guest.number,
                dialect,
                self._latest_codec.value,
            )

    def works(self) -> None:
        """Note that an engine sends blocks, or begins a chain."""
        self._worked_at = trio.current_time()

    def failed(self, guest: AbciGuest, failure: Failure) -> None:
        self._troubles.log(
            logging.WARNING,
            "abci connection %d was answered with an exception: %.900s",
            guest.number,
            failure.error,
        )

    def broke(self, guest: AbciGuest, error: RemoteProtocolError) -> None:
        self._troubles.log(
            logging.WARNING,
            "abci connection %d from %s broke the protocol: %s",
            guest.number,
            guest.host,
            error,
        )

    def gives_way(self, guest: AbciGuest, count: int) -> None:
        self._troubles.log(
            logging.WARNING,
            "%d abci connections are open: closing number %d from %s to make room for another",
            count,
            guest.number,
            guest.host,
        )

    def takes_too_much(self, guest: AbciGuest) -> None:
        self._troubles.log(
            logging.WARNING,
            "closing abci connection %d from %s: unanswered messages hold too many bytes",
            guest.number,
            guest.host,
        )

    def left(self, guest: AbciGuest, reason: str) -> None:
        self._comings.log(
            logging.INFO,
            "abci connection %d (%s) closed: %s",
            guest.number,
            guest.connection.dialect,
            reason,
        )

    def closed_by_peer(self, guest: AbciGuest, height: int) -> None:
        """Warn if an engine asked for the log's height and closed without another word.

        This side sees no more of an engine whose chain is behind the log. A tool that asks the same
        has one connection, while an engine dials its others before it asks.
        """
        if (
            height
            and guest.left_at_once(trio.current_time())
            and self._worked_at < guest.asked_info_at
            and self._latest_number > guest.number
        ):
            self._troubles.log(
                logging.WARNING,
                "an engine (%s) asked for the height of this log (%d) and exited at once. Its own"
                " log says which case it is. 'app block height (%d) is higher than core (M)': its"
                " chain ends at block M. 'does not match AppHash' or 'nil pointer': its data was"
                " reset, or belongs to another chain. Put its newer data back, or start it with the"
                " --home of this chain. If that data is lost, stop the daemon and run trio-stream"
                " rollback --to-height M (0 after a reset), which keeps a copy of this log. Nothing"
                " was changed, and this data directory may hold blocks that no engine has any more:"
                " delete nothing. For all cases see trio-stream help operating, under 'When engine"
                " and log disagree'",
                guest.connection.dialect,
                height,
                height,
            )
