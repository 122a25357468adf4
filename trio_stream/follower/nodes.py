"""One node of the chain: what it is asked, and what is known of it.

A block and its results, or several small blocks, are asked for in one batch: behind a balancer all
of it comes from one machine then.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import trio

from trio_stream.cometbft import envelope
from trio_stream.cometbft.blocks import (
    Block,
    SealedHeader,
    Status,
    read_commit,
    read_status,
)
from trio_stream.cometbft.errors import (
    BadBody,
    BatchTooLong,
    HeightInFuture,
    NotJson,
    Pruned,
    Refusal,
    ResultsNotThere,
    TooLarge,
    UnknownMethod,
)
from trio_stream.cometbft.events import Spelling
from trio_stream.cometbft.results import BlockResults
from trio_stream.follower.answers import (
    BLOCK,
    RESULTS,
    Bodies,
    NotBatch,
    Pair,
    call_of,
    calls_for,
    read_answer,
    read_pairs,
)
from trio_stream.follower.dialing import Address, OpenStream
from trio_stream.follower.exchange import PATIENCE, Exchange, Patience
from trio_stream.follower.pace import Pace, default_rate
from trio_stream.follower.socket import Socket, Talk, converse
from trio_stream.follower.statistics import NodeState, NodeStatistics, Record
from trio_stream.follower.troubles import NoAnswer, Overworked, Trouble

T = TypeVar("T")


class RunSync(Protocol):
    """Run something in a thread, as `trio.to_thread.run_sync` does."""

    async def __call__(self, call: Callable[[], T], /) -> T: ...


TOGETHER = 5
"""Heights in one batch: engines that have a limit take ten calls, unless set otherwise."""

STATUS_LIMIT = 2**20
"""In bytes. A status has about one kilobyte."""
STATUS_SECONDS = 15.0
GOODBYE_SECONDS = 1.0
COMMIT_LIMIT = 8 * 2**20
"""In bytes. A commit has some 300 for each validator, of which engines allow 10,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """How nodes are asked."""

    rate: float | None = None
    """Requests a second to each, at most; None stands for `default_rate`."""
    in_flight: int = 4
    body_limit: int = envelope.MAX_BODY
    patience: Patience = PATIENCE
    spelling: Spelling | None = None
    """How attributes are written, if the operator says so."""
    context: ssl.SSLContext | None = None
    open_tcp: OpenStream = trio.open_tcp_stream


class Node:
    """One address."""

    def __init__(
        self,
        url: str,
        settings: NodeSettings,
        *,
        run_sync: RunSync = trio.to_thread.run_sync,
    ) -> None:
        self.address = Address.of(url)
        rate = settings.rate
        self.pace = Pace(default_rate(self.address.host) if rate is None else rate)
        self._record = Record()
        self.chain_id = ""
        self.tip = 0
        """The newest block by its last word; it may go down."""
        self.lowest: int | None = None
        """Its oldest block, if it says so."""
        self._settings = settings
        self._run_sync = run_sync
        self._spelling: Spelling | None = None
        self.together = TOGETHER
        """Heights that may be asked for in one batch; 0 if the node takes none."""
        self._exchange = Exchange(
            self.address,
            connections=settings.in_flight + 1,
            patience=settings.patience,
            open_tcp=settings.open_tcp,
            context=settings.context,
        )

    @property
    def name(self) -> str:
        return self.address.authority  # a path may be a secret

    def statistics(self, *, is_asked: bool = True) -> NodeStatistics:
        """How it stands with this node; `is_asked` says whether it still is."""
        record = self._record
        return NodeStatistics(
            name=self.name,
            state=record.state if is_asked else NodeState.EXCLUDED,
            chain_id=self.chain_id,
            tip=self.tip,
            lowest=self.lowest,
            rate=self.pace.rate,
            resting=self.pace.resting,
            answers=record.answers,
            troubles=dict(record.troubles),
            trouble=record.trouble,
            silent=record.silent,
        )

    async def aclose(self) -> None:
        """Close the connections that are kept, also if cancelled."""
        with trio.move_on_after(GOODBYE_SECONDS, shield=True):
            await self._exchange.aclose()

    async def status(self) -> Status:
        """What it says of itself; raises Trouble or CometError."""
        try:
            with trio.fail_after(STATUS_SECONDS):
                body = await self._post(call_of(RESULTS, "status"), STATUS_LIMIT)
        except trio.TooSlowError:
            raise NoAnswer(f"no status within {STATUS_SECONDS:g} s") from None
        status = await self._run_sync(lambda: read_status(envelope.answer(body)))
        self.chain_id = status.chain_id
        self.tip = status.latest_height
        self.lowest = status.earliest_height
        return status

    async def commit(self, height: int) -> SealedHeader:
        """The header of a block, which is little to ask for; raises Trouble or CometError."""
        call = call_of(RESULTS, "commit", height=str(height))
        body = await self._post(call, COMMIT_LIMIT)
        return await self._run_sync(lambda: read_commit(envelope.answer(body)))

    async def lacks_results(self, height: int) -> bool:
        """Whether a node that has the next block already has no results for this one.

        The next block is saved after this one's results. So of one machine, asked in that order,
        it is a proof; of two behind one address, the other may still be executing.
        """
        calls = [
            call_of(BLOCK, "commit", height=str(height + 1)),
            call_of(RESULTS, "block_results", height=str(height)),
        ]
        limit = self._settings.body_limit
        if self.together:
            calls = [f"[{','.join(calls)}]"]
        # One after the other is on the same connection, as long as it is kept.
        bodies = [await self._post(each, limit) for each in calls]

        def read() -> list[object]:
            if len(bodies) == 1:
                return [*envelope.answers(bodies[0], (BLOCK, RESULTS), limit=limit)]
            return [read_answer(each, limit) for each in bodies]

        commit, results = await self._run_sync(read)
        return not isinstance(commit, Refusal) and isinstance(results, ResultsNotThere)

    async def bodies(
        self, height: int, limit: int | None = None, *, count: int = 1
    ) -> Bodies:
        """The bytes for so many heights from `height` on, unread; raises Trouble or BadBody."""
        limit = self._settings.body_limit if limit is None else limit
        calls = calls_for(height, count)
        if self.together:
            batch = await self._post(f"[{','.join(calls)}]", limit)
            return Bodies(height, batch, b"", b"", count)
        results = await self._post(calls[0], limit)
        return Bodies(height, None, results, await self._post(calls[1], limit))

    async def read(self, bodies: Bodies) -> list[Pair]:
        """What the bytes say, in a thread; raises CometError.

        A node that takes fewer calls at once is asked again, for the first height alone.
        """
        try:
            pairs = await self._run_sync(
                lambda: read_pairs(
                    bodies,
                    limit=self._settings.body_limit,
                    last=self._spelling,
                    forced=self._settings.spelling,
                )
            )
        except (BatchTooLong, UnknownMethod, NotBatch) as error:
            # A node that takes no batches or short ones, or a proxy that does not.
            if bodies.batch is None or not self.together:
                raise
            most = error.limit if isinstance(error, BatchTooLong) else None
            self.together = min(1 if most is None else most // 2, bodies.together - 1)
            return await self.read(await self.bodies(bodies.height))
        for height, pair in enumerate(pairs, bodies.height):
            self._learn(height, pair)
        return pairs

    def _learn(self, height: int, pair: Pair) -> None:
        if isinstance(pair.results, BlockResults):
            self._spelling = pair.results.spelling
        if isinstance(pair.block, Block):
            self.saw(height)
        elif isinstance(pair.block, HeightInFuture) and pair.block.tip is not None:
            self.tip = pair.block.tip
        elif isinstance(pair.block, Pruned) and pair.block.lowest is not None:
            self.lowest = pair.block.lowest

    async def pair(self, height: int) -> Pair:
        """Both answers for a height; raises Trouble or CometError."""
        return (await self.read(await self.bodies(height)))[0]

    async def large_pair(self, height: int) -> Pair:
        """The same, with the results over the WebSocket, where an answer may take its time."""
        results = await self.over_websocket("block_results", height)
        block = await self.over_websocket("block", height)
        return (await self.read(Bodies(height, None, results, block)))[0]

    async def over_websocket(self, method: str, height: int) -> bytes:
        """The body of an answer to a call on a WebSocket of its own."""

        async def talk(socket: Socket) -> bytes:
            return await socket.answer(RESULTS, method, height=str(height))

        seconds = self._settings.patience.whole
        await self.pace.turn()
        try:
            with trio.fail_after(seconds):
                return await self.on_websocket(talk, self._settings.body_limit)
        except trio.TooSlowError:
            raise NoAnswer(f"no answer on the WebSocket within {seconds:g} s") from None

    async def on_websocket(self, talk: Talk[T], limit: int) -> T:
        """What `talk` returns on a connection of its own, of messages of at most `limit` bytes."""
        return await converse(
            self.address,
            talk,
            open_tcp=self._settings.open_tcp,
            context=self._settings.context,
            limit=limit,
            seconds=self._settings.patience.connect,
        )

    def saw(self, height: int) -> None:
        """The node has that block."""
        self.tip = max(self.tip, height)

    async def _post(self, call: str, limit: int) -> bytes:
        await self.pace.turn()
        try:
            body = await self._exchange.post(call.encode(), limit=limit)
        except (Trouble, BadBody) as error:
            self._record.troubled(type(error).__name__, str(error))
            if isinstance(error, Overworked):
                self.pace.too_much(error.retry_after)
            elif not isinstance(error, TooLarge):
                self.pace.trouble()
            raise
        if envelope.start_of(body)[:1] in (b"{", b"["):
            self._record.answered()
            self.pace.well()
        else:
            # A proxy's page; reading it says so.
            self._record.troubled(NotJson.__name__, "the answer is no JSON")
            self.pace.trouble()
        return body
