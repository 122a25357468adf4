"""A consensus engine without consensus: it speaks ABCI to us as any of the dialects.

It opens the connections that an engine opens, makes the handshake, sends transactions to be checked
and decides blocks by itself, using our own codec from the other end. An answer that would stop a
real engine makes it raise `EngineStopped`. The tests with real engines check that it tells the
truth.

    async with FakeEngine("C38", connect) as engine:
        await engine.handshake()
        block = await engine.block(tx)

Another FakeEngine with the same `chain` is the engine started again: its handshake replays
what the application lacks. All waits are bounded (`timeout`, on Trio's clock).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

import trio

from tests.abci.engine_side import DIALECTS, AnswerReader, answer_kind, encode_request
from trio_stream.abci import messages as m

Connect = Callable[[], Awaitable[trio.abc.Stream]]
A = TypeVar("A", bound=m.Answer)

GENESIS_TIME = m.Time(1_577_836_800, 0)


class EngineStopped(Exception):
    """The application did what makes a real engine stop."""


@dataclass(frozen=True, slots=True)
class Block:
    """A decided block, and what became of it."""

    height: int
    txs: tuple[bytes, ...]
    time: m.Time
    results: tuple[m.TxResult, ...]
    app_hash: bytes
    updates: tuple[m.ValidatorUpdate, ...] = ()


@dataclass(slots=True)
class Chain:
    """What an engine keeps when it is stopped: the genesis file and its blocks."""

    chain_id: str = "test-chain"
    validators: tuple[m.ValidatorUpdate, ...] = (
        m.ValidatorUpdate("ed25519", bytes(range(32)), 10),
    )
    app_state: bytes = b"{}"
    initial_height: int = 1
    start_hash: bytes = b""
    blocks: list[Block] = field(default_factory=list)

    @property
    def next_height(self) -> int:
        return self.initial_height + len(self.blocks)

    def powers_before(self, height: int) -> dict[bytes, int]:
        """The validators that the block at `height` may change, as keys and powers."""
        powers = {each.key: each.power for each in self.validators}
        for block in self.blocks[: height - self.initial_height]:
            powers |= {each.key: each.power for each in block.updates}
        return {key: power for key, power in powers.items() if power}

    def hash_before(self, height: int) -> bytes:
        """What the header of the block at `height` says of the application."""
        index = height - self.initial_height
        known = 0 < index <= len(self.blocks)
        return self.blocks[index - 1].app_hash if known else self.start_hash


class FakeEngine:
    """An engine of one dialect; a context manager around its connections."""

    def __init__(
        self,
        dialect: str,
        connect: Connect,
        *,
        chain: Chain | None = None,
        timeout: float = 30,
    ) -> None:
        self.dialect = DIALECTS[dialect]
        self.chain = Chain() if chain is None else chain
        self._connect = connect
        self._timeout = timeout
        self._updates: tuple[m.ValidatorUpdate, ...] = ()
        self._connections: dict[str, EngineConnection] = {}

    async def __aenter__(self) -> Self:
        try:
            for name in self.dialect.connections:
                with trio.fail_after(self._timeout):
                    stream = await self._connect()
                connection = EngineConnection(stream, self.dialect.name, self._timeout)
                self._connections[name] = connection
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, as an engine that ends."""
        # All of them, also when cancelled.
        with trio.move_on_after(self._timeout, shield=True):
            for connection in self._connections.values():
                await trio.aclose_forcefully(connection.stream)

    @property
    def query(self) -> EngineConnection:
        return self._connections["query"]

    @property
    def mempool(self) -> EngineConnection:
        return self._connections["mempool"]

    @property
    def consensus(self) -> EngineConnection:
        return self._connections["consensus"]

    @property
    def snapshot(self) -> EngineConnection:
        """Only from 0.34 on."""
        return self._connections["snapshot"]

    async def info(self) -> m.InfoAnswer:
        """The height and hash that the application reports."""
        return _expect(m.InfoAnswer, await self.query.call(self.dialect.info))

    async def handshake(self) -> m.InfoAnswer:
        """Info, InitChain if the application is at height 0, and the missing blocks."""
        info = await self.info()
        tip = self.chain.next_height - 1
        if info.last_block_height > max(tip, 0) and self.chain.blocks:
            raise EngineStopped(
                f"app block height ({info.last_block_height}) is higher than core ({tip})"
            )
        if info.last_block_height == 0:
            await self.init_chain()
        for block in self.chain.blocks:
            if block.height > info.last_block_height:
                again = await self._execute(block.height, block.txs, block.time)
                if again.app_hash != block.app_hash:
                    raise EngineStopped(
                        f"the app hash of {block.height} is another one"
                    )
                if again.updates != block.updates:
                    raise EngineStopped("other validators than before")
        return info

    async def init_chain(self) -> bytes:
        """Begin the chain; gives the application's hash."""
        request = m.InitChain(
            time=GENESIS_TIME,
            chain_id=self.chain.chain_id,
            validators=self.chain.validators,
            app_state=self.chain.app_state,
            initial_height=self.chain.initial_height,
            signed=False,  # not on the wire
        )
        answer = _expect(m.InitChainAnswer, await self.consensus.call(request))
        self.chain.start_hash = answer.app_hash
        return answer.app_hash

    async def check(self, *txs: bytes) -> list[m.TxResult]:
        """Send transactions to be checked, all at once, and then a Flush."""
        answers = await self.mempool.call_all([m.CheckTx(tx) for tx in txs])
        return [_expect(m.TxResult, answer) for answer in answers]

    async def block(self, *txs: bytes, time: m.Time | None = None) -> Block:
        """Propose, decide, execute and commit the next block."""
        height = self.chain.next_height
        time = time or m.Time(GENESIS_TIME.seconds + height, 0)
        if self.dialect.has_proposals:
            await self.propose(txs)
        block = await self._execute(height, txs, time)
        self.chain.blocks.append(block)
        return block

    async def propose(self, txs: Sequence[bytes]) -> None:
        """Have a proposal prepared and accepted; nothing is decided by that."""
        size = sum(len(tx) + 12 for tx in txs)
        prepared = await self.consensus.call(m.PrepareProposal(size, tuple(txs)))
        if _expect(m.PrepareProposalAnswer, prepared).txs != tuple(txs):
            raise EngineStopped("the proposal was changed")
        await self.consensus.call(m.ProcessProposal())

    async def execute(
        self, height: int, txs: Sequence[bytes], time: m.Time = GENESIS_TIME
    ) -> tuple[list[m.TxResult], bytes]:
        """Send a block except its Commit; returns the results, and the hash if an answer has it."""
        if self.dialect.finalizes:
            answer = await self.consensus.call(m.FinalizeBlock(txs, height, time))
            block = _expect(m.FinalizeBlockAnswer, answer)
            if len(block.results) != len(txs):
                raise EngineStopped("wrong number of results")
            self.take(block.validator_updates, height)
            return list(block.results), block.app_hash
        before = self.chain.hash_before(height)
        begin = m.BeginBlock(self.chain.chain_id, height, time, before)
        await self.consensus.call(begin)
        answers = await self.consensus.call_all([m.DeliverTx(tx) for tx in txs])
        ended = await self.consensus.call(m.EndBlock(height))
        self.take(_expect(m.EndBlockAnswer, ended).validator_updates, height)
        return [_expect(m.TxResult, answer) for answer in answers], b""

    def take(self, updates: Sequence[m.ValidatorUpdate], height: int) -> None:
        """Take in a block's changes of the validators, by the rules of all releases."""
        powers = self.chain.powers_before(height)
        for key_type, key, power in updates:
            if key_type != "ed25519" or len(key) != 32 or power < 0:
                raise EngineStopped("a bad validator update")
            if not power and key not in powers:
                raise EngineStopped("failed to find the validator to remove")
            powers[key] = power
        if not any(powers.values()):
            raise EngineStopped("the validators would be none")
        self._updates = tuple(updates)

    async def commit(self) -> bytes:
        """Commit what was executed; returns the hash if Commit carries it."""
        await self.mempool.call(m.Flush())  # the mempool is locked during Commit
        return _expect(m.CommitAnswer, await self.consensus.call(m.Commit())).app_hash

    async def _execute(self, height: int, txs: Sequence[bytes], time: m.Time) -> Block:
        results, finalized = await self.execute(height, txs, time)
        committed = await self.commit()
        if self.dialect.finalizes and committed:
            raise EngineStopped("Commit's answer has a hash beside FinalizeBlock's")
        app_hash = finalized if self.dialect.finalizes else committed
        updates = self._updates
        return Block(height, tuple(txs), time, tuple(results), app_hash, updates)


class EngineConnection:
    """One of an engine's connections: requests out, answers in, in order."""

    def __init__(self, stream: trio.abc.Stream, dialect: str, timeout: float) -> None:
        self.stream = stream
        self._dialect = DIALECTS[dialect]
        self._timeout = timeout
        self._reader = AnswerReader(self._dialect.codec.framing)

    async def call(self, request: m.Request) -> m.Answer:
        """Send one request and a Flush, and wait for the answer."""
        return (await self.call_all([request]))[0]

    async def call_all(self, requests: Sequence[m.Request]) -> list[m.Answer]:
        """Send requests and a Flush at once; raises EngineStopped if an engine would."""
        asked = [*requests, m.Flush()]
        data = b"".join(encode_request(each, self._dialect) for each in asked)
        answers: list[m.Answer] = []
        problem: Exception | None = None
        with trio.fail_after(self._timeout):
            async with trio.open_nursery() as nursery:
                # An engine writes while it reads; otherwise both could wait for ever.
                nursery.start_soon(self._send, data)
                try:
                    for request in asked:
                        answers.append(await self.receive_answer(request))
                except (EngineStopped, trio.BrokenResourceError) as exc:
                    problem = exc
                    nursery.cancel_scope.cancel()
        if problem is not None:
            raise EngineStopped(str(problem)) from problem
        return answers[:-1]

    async def _send(self, data: bytes) -> None:
        # The task that waits for the answer finds out by itself.
        with suppress(trio.BrokenResourceError):
            await self.stream.send_all(data)

    async def receive_answer(self, request: m.Request) -> m.Answer:
        """The next answer, which must be one to `request`."""
        while (found := self._reader.next_answer()) is None:
            data = await self.stream.receive_some()
            if not data:
                raise EngineStopped("EOF")
            self._reader.feed(data)
        kind, answer = found
        if isinstance(answer, m.Failure):
            raise EngineStopped(answer.error)
        if kind != answer_kind(request):
            raise EngineStopped(f"unexpected {kind} to {type(request).__name__}")
        return answer


def _expect(kind: type[A], answer: m.Answer) -> A:
    if not isinstance(answer, kind):
        raise EngineStopped(f"{answer!r} is not a {kind.__name__}")
    return answer
