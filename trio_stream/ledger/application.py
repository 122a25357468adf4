"""The replicated state machine, as the consensus engine drives it.

One object answers the requests of all the engine's connections, one at a time. Two things decide
what is legal, and both are checked before anything changes: the height of a block (`history`), and
to which connection the block in progress belongs (`steps`). What is illegal is answered with
`Failure`, after which the connection ends.

Durability is the store's business, and what a transaction may do is `transactions.rules`'; bytes
and connections are not seen here. An error of the store is not an answer: it passes through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trio_stream.abci.messages import (
    Answer,
    BeginBlock,
    CheckTx,
    Commit,
    DeliverTx,
    EndBlock,
    Failure,
    FinalizeBlock,
    Info,
    InfoAnswer,
    InitChain,
    InitChainAnswer,
    Request,
    TxResult,
)
from trio_stream.abci.routine import routine_answer
from trio_stream.abci.snapshot_messages import ApplySnapshotChunk
from trio_stream.ledger.checks import Checks, refusal
from trio_stream.ledger.history import ConsensusFault, History, Store
from trio_stream.ledger.moving import Ended
from trio_stream.ledger.recent_checks import RecentChecks
from trio_stream.ledger.snapshots import StateSync
from trio_stream.ledger.steps import Steps
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.costs import BUDGET


class Application:
    """BigchainDB's state machine over a store."""

    def __init__(
        self,
        store: Store,
        cache: CandidateCache,
        *,
        version: str,
        state_sync: StateSync | None = None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._cache = cache
        self._version = version
        self._history = History(store)
        self._steps = Steps(self._history, store, cache, warn)
        self._checks = Checks(store, cache)
        self._store = store
        if self._history.ended is not None:
            warn(str(self._history.ended))
        self._state_sync = state_sync or StateSync.off()

    @property
    def height(self) -> int:
        """Height of the newest durable block; 0 before the first."""
        return self._history.height

    @property
    def recent_checks(self) -> RecentChecks:
        """The newest results of CheckTx; may be read while requests are answered."""
        return self._checks.recent

    @property
    def chain_id(self) -> str:
        """The name of the chain; empty if none has begun."""
        return self._history.chain_id

    @property
    def ended(self) -> Ended | None:
        """Why no block follows any more, if that is so."""
        return self._history.ended

    def give_up(self) -> None:
        """End what takes long, because the daemon stops; any thread may call it."""
        self._store.give_up()
        self._state_sync.give_up()

    def disown(self, owner: int) -> None:
        """Drop the block that this connection began, because it has ended."""
        self._steps.disown(owner)

    def is_quick(self, requests: Sequence[Request]) -> bool:
        """Whether checks among these requests take no longer than a look at an index."""
        return self._checks.are_quick(requests)

    def prepare(self, requests: Sequence[Request]) -> None:
        """Examine the transactions of these requests together, which is cheaper."""
        txs = [each.tx for each in requests if isinstance(each, DeliverTx)]
        checked = [each.tx for each in requests if isinstance(each, CheckTx)]
        if txs:
            self._steps.prepare(txs)
        # A transaction too expensive for a check costs no more than finding that out.
        self._cache.examine_all(checked, within=BUDGET)

    def answer(self, request: Request, *, owner: int) -> Answer:
        """Answer one request of the connection `owner`."""
        try:
            match request:
                case CheckTx():
                    return self._check(request)
                case DeliverTx():
                    return self._steps.deliver(request, owner)
                case BeginBlock():
                    return self._steps.begin(request, owner)
                case EndBlock():
                    return self._steps.end(request, owner)
                case FinalizeBlock():
                    return self._steps.finalize(request, owner)
                case Commit():
                    return self._steps.commit(owner)
                case Info():
                    return self._info()
                case InitChain():
                    return self._init_chain(request, owner)
        except ConsensusFault as fault:
            return Failure(str(fault))
        answer = self._state_sync.answer(request)
        if isinstance(request, ApplySnapshotChunk) and self._history.reload():
            self._steps.drop()
        answer = answer or routine_answer(request)
        return answer if answer is not None else Failure("unknown request")

    def _check(self, request: CheckTx) -> TxResult:
        if (ended := self._history.ended) is not None:
            return refusal("ChainEnded", str(ended))
        return self._checks.check(request.tx, self.height)

    def _info(self) -> InfoAnswer:
        newest = self._history.newest()
        return InfoAnswer(self._version, newest.height, newest.app_hash.encode("ascii"))

    def _init_chain(self, request: InitChain, owner: int) -> InitChainAnswer:
        chain = self._history.begin(request)
        self._steps.begin_chain(owner)
        return InitChainAnswer(chain.start_hash.encode("ascii"))
