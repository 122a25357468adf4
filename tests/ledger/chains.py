"""A store in memory, and an engine's end of the conversation, for tests of the state machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from scripts.signing import Key
from trio_stream.abci import messages
from trio_stream.ledger.application import Application
from trio_stream.ledger.block import Block, Chain, Tip
from trio_stream.ledger.elections import Election
from trio_stream.ledger.history import Interrupted, Store
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.rules import SpendableOutput

ALICE, BOB, CAROL = (Key.from_seed(bytes([seed]) * 32) for seed in (1, 2, 3))
TIME = messages.Time(1_500_000_000, 7)
CHAIN_ID = "test-chain"


def digest_of(height: int) -> str:
    """What a store in memory says is its digest."""
    return hashlib.sha3_256(b"digest %d" % height).hexdigest()


class MemoryStore:
    """What `Application` asks of a store, in dictionaries."""

    def __init__(self) -> None:
        self.begun: Chain | None = None
        self.before: Chain | None = None
        """The last one that has a block."""
        self.blocks: list[Block] = []
        self.outputs: dict[str, Sequence[SpendableOutput]] = {}
        self.spenders: dict[tuple[str, int], str] = {}
        self.sets: dict[int, Sequence[Validator]] = {}
        self.elections: dict[str, Election] = {}
        self.bodies: dict[str, bytes] = {}
        self.migrated = 0
        self.imported = False
        self.moved_at = 0
        self.digests: list[int] = []
        self.interrupted = False

    def steady(self) -> AbstractContextManager[None]:
        return nullcontext()

    def chain(self) -> Chain | None:
        return self.begun

    def chain_at(self, height: int) -> Chain | None:
        if self.begun is not None and height < self.begun.initial_height:
            return self.before
        return self.begun

    def tip(self) -> Tip | None:
        if not self.blocks:
            return None
        return Tip(self.blocks[-1].height, self.blocks[-1].app_hash)

    def migrated_at(self) -> int:
        return self.migrated

    def is_imported(self) -> bool:
        return self.imported

    def digest(self, height: int) -> str:
        if self.interrupted:
            raise Interrupted("stops")
        self.digests.append(height)
        return digest_of(height)

    def give_up(self) -> None:
        self.interrupted = True

    def begin_chain(self, chain: Chain) -> None:
        if chain.continues is not None:
            self.before = self.chain_at(chain.continues.height)
        self.begun = chain
        if chain.continues is not None:
            self.moved_at, self.migrated, self.imported = chain.initial_height, 0, False
            return
        self.sets = {chain.initial_height: chain.validators}

    def append(self, block: Block) -> None:
        self.blocks.append(block)
        for each in block.accepted:
            self.outputs[each.id] = [
                SpendableOutput(each.asset_id, *output) for output in each.outputs
            ]
            for spent in each.spends:
                self.spenders[spent] = each.id
            if each.operation.endswith("_ELECTION"):
                tokens = sum(amount for amount, _ in each.outputs)
                self.elections[each.id] = Election(
                    block.height, each.operation, tokens, 0
                )
                self.bodies[each.id] = each.raw
        for tally in block.tallies:
            election = self.elections[tally.election_id]
            self.elections[tally.election_id] = election._replace(votes=tally.votes)
            is_migration = election.operation == "CHAIN_MIGRATION_ELECTION"
            if tally.concluded and is_migration:
                self.migrated = block.height
        if block.validators is not None:
            self.sets[block.height + 1] = block.validators

    def validators(self) -> Sequence[Validator]:
        return self.sets[max(self.sets)] if self.sets else ()

    def validators_since(self, height: int) -> int:
        begins = (*self.sets, self.moved_at)
        return max((each for each in begins if each <= height), default=0)

    def election(self, transaction_id: str) -> Election | None:
        return self.elections.get(transaction_id)

    def body(self, transaction_id: str) -> bytes:
        return self.bodies[transaction_id]

    def is_migrating(self) -> bool:
        return self.migrated > 0

    def has_transaction(self, transaction_id: str) -> bool:
        return transaction_id in self.outputs

    def output(self, transaction_id: str, output_index: int) -> SpendableOutput | None:
        outputs = self.outputs.get(transaction_id, ())
        return outputs[output_index] if 0 <= output_index < len(outputs) else None

    def spender(self, transaction_id: str, output_index: int) -> str | None:
        return self.spenders.get((transaction_id, output_index))


class Engine:
    """Sends what an engine sends, in either way of sending a block; the owner is 1 by default."""

    def __init__(
        self, application: Application, store: Store, *, whole: bool = False
    ) -> None:
        self.application = application
        self.store = store
        self.whole = whole
        self.updates: list[messages.ValidatorUpdate] = []
        """Of the newest block."""
        self.next_height = application.height + 1

    @property
    def memory(self) -> MemoryStore:
        """The store, if it is one in memory."""
        assert isinstance(self.store, MemoryStore)
        return self.store

    def ask(self, request: messages.Request, owner: int = 1) -> messages.Answer:
        return self.application.answer(request, owner=owner)

    def init_chain(
        self,
        *,
        chain_id: str = CHAIN_ID,
        app_state: bytes = b"",
        initial_height: int = 1,
        validators: Sequence[messages.ValidatorUpdate] = (),
    ) -> messages.Answer:
        self.next_height = initial_height
        return self.ask(
            messages.InitChain(
                TIME,
                chain_id,
                tuple(validators),
                app_state,
                initial_height,
                signed=not self.whole,
            )
        )

    def block(self, *txs: bytes) -> tuple[list[int], str]:
        """One block to its Commit: the codes, and the app hash."""
        results, app_hash = self.deliver(*txs)
        committed = self.ask(messages.Commit())
        assert isinstance(committed, messages.CommitAnswer), committed
        self.next_height += 1
        # Where a block comes whole, its answer has the hash, and Commit's has none.
        assert bool(app_hash) <= self.whole
        return [result.code for result in results], (
            app_hash or committed.app_hash
        ).decode("ascii")

    def deliver(self, *txs: bytes) -> tuple[Sequence[messages.TxResult], bytes]:
        """One block up to, but not including, its Commit."""
        if self.whole:
            answer = self.ask(messages.FinalizeBlock(txs, self.next_height, TIME))
            assert isinstance(answer, messages.FinalizeBlockAnswer), answer
            self.updates = list(answer.validator_updates)
            return answer.results, answer.app_hash
        chain_id = self.application.chain_id
        begun = self.ask(messages.BeginBlock(chain_id, self.next_height, TIME))
        assert begun == messages.Done(), begun
        results = [self.ask(messages.DeliverTx(tx)) for tx in txs]
        ended = self.ask(messages.EndBlock(self.next_height))
        assert isinstance(ended, messages.EndBlockAnswer), ended
        self.updates = list(ended.validator_updates)
        return [each for each in results if isinstance(each, messages.TxResult)], b""


def new_engine(
    *, store: Store | None = None, whole: bool = False, cache_bytes: int = 1 << 20
) -> Engine:
    """An engine of a chain that has begun, over a store in memory unless one is given."""
    store = store or MemoryStore()
    application = Application(store, CandidateCache(cache_bytes), version="0")
    engine = Engine(application, store, whole=whole)
    if application.height == 0:
        engine.init_chain()
    return engine
