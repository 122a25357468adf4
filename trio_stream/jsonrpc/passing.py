"""Calls that are passed to a node that is followed: to the first that can be asked.

They have connections and a rate of their own, so that clients cannot hold up the follower. What
hands something to the network is sent once: to another node only if the first did not get it.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Final, NamedTuple

import trio

from trio_stream.cometbft.errors import BadBody
from trio_stream.follower.dialing import Address, OpenStream
from trio_stream.follower.exchange import (
    Exchange,
    Patience,
    Reply,
)
from trio_stream.follower.pace import Pace
from trio_stream.follower.troubles import Overworked, Trouble, Unreachable
from trio_stream.jsonrpc.shares import NoRoom, Share, Shares

CONNECTIONS: Final = 8
"""To each node: so many calls are on their way at once."""

WAITING: Final = 200
"""Calls that wait for one of these, and are on their way; more are refused."""

ANSWER_BYTES: Final = 32 * 1024 * 1024
"""An answer's body; a node's own limit for a genesis is half of that."""

TURN_SECONDS: Final = 10.0
"""For how long a call waits for its turn at a node that is asked much."""

PATIENCE: Final = Patience(connect=5.0, first_byte=60.0, stall=30.0, whole=120.0)

GOODBYE_SECONDS: Final = 1.0


class Unavailable(Exception):
    """No node answers; the text says why."""

    def __init__(self, text: str, status: int = 502) -> None:
        super().__init__(text, status)
        self.text = text
        self.status = status

    def __str__(self) -> str:
        return self.text


class _Asked(NamedTuple):
    method: str
    target: str
    body: bytes
    once: bool


class _Node:
    def __init__(self, address: Address, rate: float, exchange: Exchange) -> None:
        self.name = address.authority
        self.pace = Pace(rate)
        self.exchange = exchange

    async def ask(self, asked: _Asked, share: Share) -> Reply:
        try:
            with trio.fail_after(TURN_SECONDS):
                await self.pace.turn()
        except trio.TooSlowError:
            raise Unreachable("it is asked too much") from None
        try:
            reply = await self.exchange.request(
                asked.method,
                asked.target,
                asked.body,
                limit=ANSWER_BYTES,
                once=asked.once,
                hold=share.hold,
            )
        except Overworked as error:
            self.pace.too_much(error.retry_after)
            raise
        except Unreachable:
            self.pace.trouble()
            raise
        self.pace.well()
        return reply


class Passing:
    """Passes requests to nodes."""

    def __init__(
        self,
        addresses: Sequence[Address],
        *,
        rate: float,
        open_tcp: OpenStream = trio.open_tcp_stream,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.passed = 0
        """Requests that a node has answered."""
        self.failed = 0
        """Requests that no node has answered."""
        self.waiting = 0
        self.shares = Shares()
        self._nodes = [
            _Node(
                address,
                rate,
                Exchange(
                    address,
                    connections=CONNECTIONS,
                    patience=PATIENCE,
                    open_tcp=open_tcp,
                    context=context,
                ),
            )
            for address in addresses
        ]

    async def aclose(self) -> None:
        """Close the connections that are kept, also if cancelled."""
        with trio.move_on_after(GOODBYE_SECONDS, shield=True):
            for node in self._nodes:
                await node.exchange.aclose()

    async def ask(
        self,
        method: str,
        target: str = "",
        body: bytes = b"",
        *,
        once: bool = False,
        share: Share | None = None,
    ) -> Reply:
        """A node's answer; raises Unavailable.

        It takes room of `share`, which is the caller's to give back; without one it has room until
        it is there.
        """
        if share is None:
            with self.shares.one() as share:
                return await self.ask(method, target, body, once=once, share=share)
        if self.waiting >= WAITING:
            self.failed += 1
            raise Unavailable(f"{WAITING} calls wait for a node already", 503)
        self.waiting += 1
        try:
            reply = await self._ask(_Asked(method, target, body, once), share)
        except Unavailable:
            self.failed += 1
            raise
        finally:
            self.waiting -= 1
        self.passed += 1
        return reply

    async def _ask(self, asked: _Asked, share: Share) -> Reply:
        troubles = []
        # In the order in which they were given, but those that rest come last.
        for node in sorted(self._nodes, key=lambda node: node.pace.resting > 0):
            try:
                reply = await node.ask(asked, share)
                share.keep(len(reply.body))
                return reply
            except NoRoom:
                sent = " (a node may have got it)" if asked.once else ""
                text = "the answers to other calls take all the room"
                raise Unavailable(f"{text}{sent}", 503) from None
            except (Trouble, BadBody) as error:
                share.keep(0)
                troubles.append(f"{node.name}: {error}")
                if asked.once and not isinstance(error, (Unreachable, Overworked)):
                    troubles[-1] += " (it may have got it)"
                    break
        raise Unavailable(f"no node answers: {'; '.join(troubles)}")
