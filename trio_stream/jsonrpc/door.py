"""The door for programs that speak the engine's JSON-RPC: all of its clients, and what they share.

Each block is made once, when it is new, for all queries that anybody has; then those who wait are
given it in place, one after the other, and those whose sockets are full are woken. Clients who are
behind have their blocks made by themselves.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Protocol

import trio

from trio_stream.cometbft.envelope import answer
from trio_stream.cometbft.errors import CometError
from trio_stream.cometbft.fields import members
from trio_stream.cometbft.followed import FollowedTip
from trio_stream.cometbft.queries import Expression
from trio_stream.jsonrpc import methods
from trio_stream.jsonrpc.announced import Announced
from trio_stream.jsonrpc.answers import Failure, Unreadable, success
from trio_stream.jsonrpc.blocks import BlockReader, Blocks, Dropped, Found
from trio_stream.jsonrpc.calls import Call, read_call
from trio_stream.jsonrpc.conversation import Conversation, Patience
from trio_stream.jsonrpc.lines import line_of
from trio_stream.jsonrpc.resuming import Places
from trio_stream.jsonrpc.standings import Profile, Standings
from trio_stream.jsonrpc.wire import switching
from trio_stream.net.upgrades import Caller

LINE_SECONDS: Final = 3.0
LINE_PAUSE: Final = 0.2
"""For how long, and how often, a node is asked what its answers look like. If none says so, queries
are read as the newest line reads them."""

LINE_BYTES: Final = 64 * 1024
"""Of an answer that is read for that; a larger one would hold up everybody."""

NEWEST_RESULTS: Final = Call(0, "block_results", {}, True)

PASS_SECONDS: Final = 0.005
"""For so long clients are given a block before other tasks have a turn."""

WOKEN_AT_ONCE: Final = 32
"""Clients that are woken before that."""


class Log(BlockReader, Places, Protocol):
    """What the door needs of the log."""

    async def tip(self) -> FollowedTip: ...


class Passes(Protocol):
    """Where calls go that are not answered here; raises Failure."""

    async def __call__(
        self, call: Call, *, may_post: bool, until_sent: ExitStack
    ) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DropInStatistics:
    """What `DropIn.statistics` returns."""

    clients: int
    subscriptions: int
    queries: int
    """Different ones."""
    frames_sent: int
    bytes_sent: int
    kept_bytes: int
    most_behind: int
    """By how many blocks the slowest subscription is behind."""


class DropIn:
    """Serves `subscribe` from the log, and passes other calls on."""

    def __init__(
        self, log: Log, passes: Passes, *, patience: Patience | None = None
    ) -> None:
        self.height = 0
        self.has_ended = False
        self._log = log
        self._passes = passes
        self._patience = patience or Patience()
        self._blocks = Blocks(log)
        self._tip = 0
        self._moved = trio.Event()
        self._newest: Announced | None = None
        self._clients = Standings[Conversation]()
        self._frames_sent = self._bytes_sent = 0

    def advance(self, tip: int) -> None:
        """Say that all blocks up to `tip` are in the log. A plain function."""
        if tip > self._tip:
            self._tip = tip
            self._moved.set()

    def statistics(self) -> DropInStatistics:
        """The figures of clients, subscriptions and what was sent."""
        following = self.height + 1
        lowest = (each.subscriptions.lowest for each in self._clients)
        present = (each for each in lowest if each is not None)
        return DropInStatistics(
            clients=len(self._clients),
            subscriptions=self._clients.subscriptions,
            queries=len(self._clients.queries),
            frames_sent=self._frames_sent,
            bytes_sent=self._bytes_sent,
            kept_bytes=self._blocks.weight,
            most_behind=max(0, following - min(present, default=following)),
        )

    async def run(
        self,
        *,
        stop: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Follow the tip; once `stop` is set, reach it one last time and end.

        Clients then get what the log still has for them, and a Close.
        """
        try:
            self._tip = max(self._tip, (await self._log.tip()).height)
            self.height = self._tip
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wake_at, stop)
                task_status.started()
                await self._follow(stop)
                nursery.cancel_scope.cancel()
        finally:
            self.has_ended = True
            for each in self._clients:
                each.wake()

    async def welcome(self, caller: Caller) -> str | None:
        """Converse with a client whose upgrade is valid and allowed; returns why it left."""
        conversation = Conversation(
            self,
            caller.stream,
            caller.raw,
            early=caller.early,
            may_post=caller.may_post,
            patience=self._patience,
        )
        # What the newest block looks like says how queries are read.
        await self._blocks.at(self.height, ())
        if not self._blocks.line_at:
            await self._ask_for_line()
        await caller.stream.send_all(switching(caller.key, caller.protocol))
        caller.lift()
        with (
            self._clients.present(conversation),
            caller.as_long_as_allowed(conversation.withdraw),
        ):
            try:
                await conversation.run()
            except* trio.BrokenResourceError:
                # It has noted why.
                pass
        return conversation.reason

    async def _ask_for_line(self) -> None:
        """Find out from a node how its line reads queries, as long as the log has no block."""
        with trio.move_on_after(LINE_SECONDS):
            while not self._blocks.line_at:
                with suppress(Failure, CometError), ExitStack() as until_read:
                    body = await self._passes(
                        NEWEST_RESULTS, may_post=False, until_sent=until_read
                    )
                    if len(body) > LINE_BYTES:
                        return
                    self._blocks.line = line_of(members(answer(body), "the answer"))
                    return
                await trio.sleep(LINE_PAUSE)

    async def block(self, height: int, queries: list[Expression]) -> Found:
        """What a block has for these queries."""
        return await self._blocks.at(height, queries)

    def is_shared(self, profile: Profile, announced: Announced) -> bool:
        """Whether other clients get the same bytes of that block now."""
        return announced is self._newest and self._clients.is_common(profile)

    def count(self, frames: int, size: int) -> None:
        """So much was sent."""
        self._frames_sent += frames
        self._bytes_sent += size

    def changed(self, conversation: Conversation) -> None:
        """Count its subscriptions anew."""
        self._clients.changed(conversation, conversation.subscriptions)

    async def answer(self, conversation: Conversation, message: str) -> bytes | None:
        """The answer to a message, if it wants one; a passed one takes room until it is sent."""
        line = self._blocks.line
        try:
            call = read_call(message, answers_all=line.is_early)
        except Unreadable as error:
            return error.answer(empty_id=line.is_early)
        if call is None:
            return None
        try:
            if call.method not in methods.OWN:
                return await self._passes(
                    call,
                    may_post=conversation.may_post,
                    until_sent=conversation.until_sent,
                )
            await self._do(conversation, call)
        except Failure as failure:
            return failure.answer(call.id)
        return success(call.id)

    async def _do(self, conversation: Conversation, call: Call) -> None:
        subscriptions, line = conversation.subscriptions, self._blocks.line
        match call.method:
            case "subscribe":
                await methods.new_subscription(
                    call,
                    subscriptions,
                    line=line,
                    next_height=max(self._tip, self.height) + 1,
                    has_room_for=self._clients.has_room_for,
                    places=self._log,
                )
            case "unsubscribe":
                methods.end_subscription(call, subscriptions, line)
            case _:
                methods.end_all(call, subscriptions)
        self.changed(conversation)

    async def _wake_at(self, stop: trio.Event) -> None:
        await stop.wait()
        self._moved.set()

    async def _follow(self, stop: trio.Event) -> None:
        while True:
            if self.height < self._tip:
                await self._read_on()
            elif stop.is_set():
                return
            else:
                self._moved = trio.Event()
                await self._moved.wait()

    async def _read_on(self) -> None:
        queries = self._clients.queries
        if not queries:
            # Nobody waits for it.
            self.height = self._tip
            await trio.lowlevel.checkpoint()
            return
        for found in await self._blocks.after(self.height, queries):
            if self._newest is not None:
                self._newest.stop_sharing()
                self._newest = None
            match found:
                case Announced():
                    self.height, self._newest = found.height, found
                case Dropped():
                    # It was dropped before it was read; those who wait are told so.
                    height = max(found.oldest - 1, self.height + 1)
                    self.height = min(height, self._tip)
                case _:
                    self.height = found.last
            await self._give(self._newest)

    async def _give(self, announced: Announced | None) -> None:
        """Give all clients a block that is new; wake those who cannot take it at once."""
        due, woken = perf_counter() + PASS_SECONDS, 0
        for each in list(self._clients):
            if announced is None or not each.offer(announced):
                each.wake()
                woken += 1
            if woken == WOKEN_AT_ONCE or perf_counter() > due:
                await trio.lowlevel.checkpoint()
                due, woken = perf_counter() + PASS_SECONDS, 0
