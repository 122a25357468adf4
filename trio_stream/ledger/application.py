"""The replicated state machine, as the consensus engine drives it.

One object answers the requests of all the engine's connections, one at a time. Two things decide
what is legal, and both are checked before anything changes:

*Heights.* A block must be the one after the tip, or the chain's first. Any other means that the
engine and this log have different histories.

*Ownership.* The block in progress belongs to the connection that began it, and takes these steps:

    BeginBlock ─> DeliverTx … ─> EndBlock ─┐
                                           ├─> Commit
    FinalizeBlock ─────────────────────────┘

Beginning a block, on any connection, drops the one in progress: an engine that reconnects never
continues in the middle of a block. A step out of order, or on a connection that owns no block,
changes nothing and is answered with `Failure`, after which the connection ends.

Durability is the store's business, and what a transaction may do is `transactions.rules`'; bytes
and connections are not seen here. An error of the store is not an answer: it passes through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trio_stream.abci.messages import (
    Answer,
    BeginBlock,
    CheckTx,
    Commit,
    CommitAnswer,
    DeliverTx,
    Done,
    EndBlock,
    EndBlockAnswer,
    Failure,
    FinalizeBlock,
    FinalizeBlockAnswer,
    Info,
    InfoAnswer,
    InitChain,
    InitChainAnswer,
    Request,
    Time,
    TxResult,
    ValidatorUpdate,
)
from trio_stream.abci.routine import routine_answer
from trio_stream.ledger.block import (
    MAX_HEIGHT,
    MAX_TRANSACTIONS,
    Block,
    Chain,
    RefusedTransaction,
    Tip,
)
from trio_stream.ledger.checks import VALID, Checks, refusal
from trio_stream.ledger.departures import (
    departure,
    other_chain,
    other_hash,
    other_height,
)
from trio_stream.ledger.genesis import GenesisError, read_chain
from trio_stream.ledger.recent_checks import RecentChecks
from trio_stream.ledger.staging import StagedBlock, State
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.costs import BUDGET
from trio_stream.transactions.elections import Validator


class Store(State, Protocol):
    """What is durable: the chain, its blocks, and the resulting state."""

    def chain(self) -> Chain | None:
        """The chain that InitChain began."""
        ...

    def tip(self) -> Tip | None:
        """The newest block; None before the first."""
        ...

    def begin_chain(self, chain: Chain) -> None:
        """Store the chain, in place of one without a block; durable on return."""
        ...

    def append(self, block: Block) -> None:
        """Store the block and all that it changes; durable on return."""
        ...


class _ConsensusFault(Exception):
    """The engine asked for something illegal; becomes `Failure`."""


@dataclass(slots=True)
class _InProgress:
    """The block in progress: who owns it, and which step it has reached."""

    owner: int
    staged: StagedBlock
    whole: bool
    """Whether it came by FinalizeBlock, whose answer had the hash."""
    ended: Block | None = None


class Application:
    """BigchainDB's state machine over a store."""

    def __init__(
        self,
        store: Store,
        cache: CandidateCache,
        *,
        version: str,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._store = store
        self._warn = warn
        self._cache = cache
        self._version = version
        self._chain = store.chain()
        self._tip = store.tip()
        self._block: _InProgress | None = None
        self._checks = Checks(store, cache)

    @property
    def height(self) -> int:
        """Height of the newest durable block; 0 before the first."""
        return self._tip.height if self._tip else 0

    @property
    def recent_checks(self) -> RecentChecks:
        """The newest results of CheckTx; may be read while requests are answered."""
        return self._checks.recent

    def disown(self, owner: int) -> None:
        """Drop the block that this connection began, because it has ended."""
        if self._block is not None and self._block.owner == owner:
            self._block = None

    def is_quick(self, requests: Sequence[Request]) -> bool:
        """Whether checks among these requests take no longer than a look at an index."""
        return self._checks.are_quick(requests)

    def prepare(self, requests: Sequence[Request]) -> None:
        """Examine the transactions of these requests together, which is cheaper."""
        txs = [each.tx for each in requests if isinstance(each, DeliverTx)]
        checked = [each.tx for each in requests if isinstance(each, CheckTx)]
        self._cache.examine_all(txs)
        # A transaction too expensive for a check costs no more than finding that out.
        self._cache.examine_all(checked, within=BUDGET)

    def answer(self, request: Request, *, owner: int) -> Answer:
        """Answer one request of the connection `owner`."""
        try:
            match request:
                case CheckTx():
                    return self._checks.check(request.tx, self.height)
                case DeliverTx():
                    return self._deliver(request.tx, owner)
                case BeginBlock():
                    return self._begin(request, owner)
                case EndBlock():
                    return self._end(request, owner)
                case FinalizeBlock():
                    return self._finalize(request, owner)
                case Commit():
                    return self._commit(owner)
                case Info():
                    return self._info()
                case InitChain():
                    return self._init_chain(request)
        except _ConsensusFault as fault:
            return Failure(str(fault))
        answer = routine_answer(request)
        return answer if answer is not None else Failure("unknown request")

    def _info(self) -> InfoAnswer:
        # Before the first block the hash is empty even if the chain starts from another one: up to
        # 0.33 the engine compares it with the genesis file's, later ones don't look at it.
        # The tip is read once: another thread may be making a block durable.
        tip = self._tip or Tip(0, "")
        return InfoAnswer(self._version, tip.height, tip.app_hash.encode("ascii"))

    def _init_chain(self, request: InitChain) -> InitChainAnswer:
        known = self._chain
        if known is not None and known.chain_id != request.chain_id:
            raise _ConsensusFault(
                other_chain("InitChain for", request.chain_id, known.chain_id)
            )
        if self._tip is not None:
            raise _ConsensusFault(
                f"InitChain for a chain that is at height {self._tip.height} here"
            )
        try:
            chain = read_chain(request)
        except GenesisError as error:
            raise _ConsensusFault(f"InitChain: {error}") from error
        self._store.begin_chain(chain)
        self._chain, self._block = chain, None
        return InitChainAnswer(chain.start_hash.encode("ascii"))

    def _begin(self, request: BeginBlock, owner: int) -> Done:
        chain = self._begun_chain()
        if request.chain_id != chain.chain_id:
            raise _ConsensusFault(
                other_chain("block of", request.chain_id, chain.chain_id)
            )
        staged = self._stage(chain, request.height, request.time)
        self._compare(request, self._previous_hash(chain))
        self._block = _InProgress(owner, staged, whole=False)
        return Done()

    def _compare(self, request: BeginBlock, ours: str) -> None:
        """Refuse a block if its chain and ours differ before it: nothing may be built on that."""
        if request.app_hash is None:
            return
        wrong = other_hash(
            request.height, request.app_hash, ours, is_first=self._tip is None
        )
        if wrong is not None:
            raise _ConsensusFault(wrong)

    def _deliver(self, tx: bytes, owner: int) -> TxResult:
        block = self._own_block(owner, "DeliverTx")
        if block.whole or block.ended is not None:
            raise _ConsensusFault("DeliverTx after the end of the block")
        if len(block.staged) == MAX_TRANSACTIONS:
            raise _ConsensusFault(f"a block of more than {MAX_TRANSACTIONS}")
        refused = block.staged.deliver(self._cache.examine(tx))
        return _result(refused)

    def _end(self, request: EndBlock, owner: int) -> EndBlockAnswer:
        block = self._own_block(owner, "EndBlock")
        if block.ended is not None:
            raise _ConsensusFault("EndBlock twice")
        if request.height != block.staged.height:
            raise _ConsensusFault(
                f"EndBlock {request.height} in block {block.staged.height}"
            )
        block.ended = block.staged.end(self._previous_hash(self._begun_chain()))
        return EndBlockAnswer(_updates(block.ended.updates))

    def _finalize(self, request: FinalizeBlock, owner: int) -> FinalizeBlockAnswer:
        chain = self._begun_chain()
        staged = self._stage(chain, request.height, request.time)
        if len(request.txs) > MAX_TRANSACTIONS:
            raise _ConsensusFault(f"a block of more than {MAX_TRANSACTIONS}")
        candidates = self._cache.examine_all(request.txs)
        results = [_result(staged.deliver(candidate)) for candidate in candidates]
        ended = staged.end(self._previous_hash(chain))
        self._block = _InProgress(owner, staged, whole=True, ended=ended)
        return FinalizeBlockAnswer(
            results, ended.app_hash.encode("ascii"), _updates(ended.updates)
        )

    def _commit(self, owner: int) -> CommitAnswer:
        block = self._own_block(owner, "Commit")
        if block.ended is None:
            raise _ConsensusFault("Commit before EndBlock")
        self._store.append(block.ended)
        self._tip = Tip(block.ended.height, block.ended.app_hash)
        if (departed := departure(block.ended)) is not None:
            self._warn(departed)
        self._block = None
        return CommitAnswer(
            b"" if block.whole else block.ended.app_hash.encode("ascii")
        )

    def _begun_chain(self) -> Chain:
        if self._chain is None:
            raise _ConsensusFault("a block before InitChain")
        return self._chain

    def _stage(self, chain: Chain, height: int, time: Time) -> StagedBlock:
        """A new block in progress, if this height is the next one."""
        due = self._tip.height + 1 if self._tip else chain.initial_height
        if height != due or height > MAX_HEIGHT:
            raise _ConsensusFault(other_height(height, due))
        return StagedBlock(self._store, height=height, time=time)

    def _own_block(self, owner: int, step: str) -> _InProgress:
        if self._block is None or self._block.owner != owner:
            raise _ConsensusFault(f"{step} outside of a block of this connection")
        return self._block

    def _previous_hash(self, chain: Chain) -> str:
        return self._tip.app_hash if self._tip else chain.start_hash


def _result(refused: RefusedTransaction | None) -> TxResult:
    return VALID if refused is None else refusal(refused.error, refused.reason)


def _updates(validators: Sequence[Validator]) -> tuple[ValidatorUpdate, ...]:
    return tuple([ValidatorUpdate(*each) for each in validators])
