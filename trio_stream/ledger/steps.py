"""The block in progress: it belongs to the connection that began it, and takes these steps.

    BeginBlock ─> DeliverTx … ─> EndBlock ─┐
                                           ├─> Commit
    FinalizeBlock ─────────────────────────┘

Beginning a block, on any connection, drops the one in progress: an engine that reconnects never
continues in the middle of a block. A step out of order, or on a connection that owns no block,
changes nothing and is a `ConsensusFault`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trio_stream.abci.messages import (
    BeginBlock,
    CommitAnswer,
    DeliverTx,
    Done,
    EndBlock,
    EndBlockAnswer,
    FinalizeBlock,
    FinalizeBlockAnswer,
    Time,
    TxResult,
    ValidatorUpdate,
)
from trio_stream.ledger.block import MAX_TRANSACTIONS, Block, RefusedTransaction
from trio_stream.ledger.checks import VALID, refusal
from trio_stream.ledger.departures import departure
from trio_stream.ledger.history import ConsensusFault, History
from trio_stream.ledger.staging import StagedBlock, State
from trio_stream.transactions.block_candidates import BlockCandidates
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.elections import Validator


@dataclass(slots=True)
class _InProgress:
    """Who owns the block, and which step it has reached."""

    owner: int
    staged: StagedBlock
    whole: bool
    """Whether it came by FinalizeBlock, whose answer had the hash."""
    ended: Block | None = None


class Steps:
    """Takes one block after the other from its beginning to its Commit."""

    def __init__(
        self,
        history: History,
        committed: State,
        cache: CandidateCache,
        warn: Callable[[str], None],
    ) -> None:
        self._history = history
        self._committed = committed
        self._candidates = BlockCandidates(cache)
        self._warn = warn
        self._block: _InProgress | None = None
        self._since = 0

    def drop(self) -> None:
        """Drop the block in progress, if there is one."""
        self._block = None

    def begin_chain(self, owner: int) -> None:
        """Take blocks of the chain that this connection has begun, and of no earlier one.

        Connections are numbered as they come.
        """
        self.drop()
        self._since = owner

    def disown(self, owner: int) -> None:
        """Drop the block that this connection began, because it has ended."""
        if self._block is not None and self._block.owner == owner:
            self._block = None

    def begin(self, request: BeginBlock, owner: int) -> Done:
        height = request.height
        self._check_engine(height, owner)
        self._history.check_header(request.chain_id, height, request.app_hash)
        staged = self._stage(height, request.time)
        self._block = _InProgress(owner, staged, whole=False)
        return Done()

    def prepare(self, txs: Sequence[bytes]) -> None:
        """Expect these to be delivered, in this order: together they cost less."""
        self._candidates.prepare(txs)

    def deliver(self, request: DeliverTx, owner: int) -> TxResult:
        block = self._own_block(owner, "DeliverTx")
        if block.whole or block.ended is not None:
            raise ConsensusFault("DeliverTx after the end of the block")
        if len(block.staged) == MAX_TRANSACTIONS:
            raise ConsensusFault(f"a block of more than {MAX_TRANSACTIONS}")
        refused = block.staged.deliver(self._candidates.take(request.tx))
        return _result(refused)

    def end(self, request: EndBlock, owner: int) -> EndBlockAnswer:
        block = self._own_block(owner, "EndBlock")
        if block.ended is not None:
            raise ConsensusFault("EndBlock twice")
        if request.height != block.staged.height:
            raise ConsensusFault(
                f"EndBlock {request.height} in block {block.staged.height}"
            )
        self._candidates.prepare(())
        block.ended = block.staged.end(self._history.previous_hash)
        return EndBlockAnswer(_updates(block.ended.updates))

    def finalize(self, request: FinalizeBlock, owner: int) -> FinalizeBlockAnswer:
        self._check_engine(request.height, owner)
        self._history.check_height(request.height)
        if len(request.txs) > MAX_TRANSACTIONS:
            raise ConsensusFault(f"a block of more than {MAX_TRANSACTIONS}")
        staged = self._stage(request.height, request.time)
        results: list[TxResult] = []
        for piece in self._candidates.pieces(request.txs):
            with self._committed.steady():
                results += [_result(staged.deliver(candidate)) for candidate in piece]
            piece.clear()
        ended = staged.end(self._history.previous_hash)
        self._block = _InProgress(owner, staged, whole=True, ended=ended)
        return FinalizeBlockAnswer(
            results, ended.app_hash.encode("ascii"), _updates(ended.updates)
        )

    def commit(self, owner: int) -> CommitAnswer:
        block = self._own_block(owner, "Commit")
        if block.ended is None:
            raise ConsensusFault("Commit before EndBlock")
        self._history.append(block.ended)
        if (departed := departure(block.ended)) is not None:
            self._warn(departed)
        if self._history.ended is not None:
            self._warn(str(self._history.ended))
        self._block = None
        return CommitAnswer(
            b"" if block.whole else block.ended.app_hash.encode("ascii")
        )

    def _check_engine(self, height: int, owner: int) -> None:
        # FinalizeBlock does not name its chain. An engine of the chain before may still be here: it
        # waits for other validators, and then has another block of this height.
        if owner < self._since:
            raise ConsensusFault(
                f"block {height} is of an engine that was connected before this chain began"
            )

    def _stage(self, height: int, time: Time) -> StagedBlock:
        return StagedBlock(self._committed, height=height, time=time)

    def _own_block(self, owner: int, step: str) -> _InProgress:
        if self._block is None or self._block.owner != owner:
            raise ConsensusFault(f"{step} outside of a block of this connection")
        return self._block


def _result(refused: RefusedTransaction | None) -> TxResult:
    return VALID if refused is None else refusal(refused.error, refused.reason)


def _updates(validators: Sequence[Validator]) -> tuple[ValidatorUpdate, ...]:
    return tuple([ValidatorUpdate(*each) for each in validators])
