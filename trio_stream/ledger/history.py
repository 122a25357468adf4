"""The chain and its newest block: what InitChain begins, and which block may follow.

A block must be the one after the tip, or the chain's first, and it must be of this chain. Anything
else means that the engine and this log have different histories: it changes nothing, and is a
`ConsensusFault`, which the engine is answered with.

Once a chain has ended (`moving`), nothing follows but the InitChain of a chain that continues it.
Info then answers like an empty log, because engines send InitChain to no other. An engine of the
old chain sends it too, and is told there what happened.
"""

from __future__ import annotations

from typing import Protocol

from trio_stream.abci.messages import InitChain
from trio_stream.ledger.block import MAX_HEIGHT, Block, Chain, Tip
from trio_stream.ledger.departures import other_chain, other_hash, other_height
from trio_stream.ledger.genesis import GenesisError, read_chain
from trio_stream.ledger.moving import Ended, MoveRefused, check_move
from trio_stream.ledger.staging import State


class ConsensusFault(Exception):
    """The engine asked for something illegal; becomes `Failure`."""


class Interrupted(Exception):
    """The daemon stops; the work was given up."""


class Store(State, Protocol):
    """What is durable: the chain, its blocks, and the resulting state."""

    def chain(self) -> Chain | None:
        """The chain that the newest InitChain began."""
        ...

    def chain_at(self, height: int) -> Chain | None:
        """The chain that the block of this height belongs to."""
        ...

    def tip(self) -> Tip | None:
        """The newest block; None before the first."""
        ...

    def migrated_at(self) -> int:
        """The height at which a migration of the chain concluded; 0: none did."""
        ...

    def is_imported(self) -> bool:
        """Whether no chain has gone on with what was imported."""
        ...

    def digest(self, height: int) -> str:
        """The digest of the blocks up to this height, which takes long.

        Raises `Interrupted` if `give_up` is called.
        """
        ...

    def give_up(self) -> None:
        """End what takes long, now and from now on; any thread may call it."""
        ...

    def begin_chain(self, chain: Chain) -> None:
        """Store the chain, in place of one without a block; durable on return."""
        ...

    def append(self, block: Block) -> None:
        """Store the block and all that it changes; durable on return."""
        ...


class History:
    """The chain and the tip of a store, which only this object moves, or else `reload` finds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._chain = store.chain()
        self._tip = store.tip()
        self._ended = self._end()

    @property
    def height(self) -> int:
        """Height of the newest durable block; 0 before the first."""
        return self._tip.height if self._tip else 0

    @property
    def chain_id(self) -> str:
        """The name of the chain; empty if none has begun. May be read at any time."""
        return self._chain.chain_id if self._chain else ""

    @property
    def ended(self) -> Ended | None:
        """Why no block follows, if that is so; may be read at any time."""
        return self._ended

    def newest(self) -> Tip:
        """What Info says."""
        # Before the first block the hash is empty even if the chain starts from another one: up to
        # 0.33 the engine compares it with the genesis file's, later ones don't look at it.
        # The tip is read once: another thread may be making a block durable.
        tip = self._tip
        if tip is None or self._ended is not None or self._comes_before(tip):
            return Tip(0, "")
        return tip

    @property
    def previous_hash(self) -> str:
        """The app hash that the next block follows."""
        chain, tip = self._begun(), self._tip
        if tip is None or self._comes_before(tip):
            return chain.start_hash
        return tip.app_hash

    def begin(self, request: InitChain) -> Chain:
        """Begin the chain that is asked for; durable on return."""
        try:
            chain = read_chain(request)
            if chain.continues is None:
                self._check_first(chain)
            else:
                self._check_move(chain)
        except (GenesisError, MoveRefused, Interrupted) as error:
            raise ConsensusFault(f"InitChain: {error}") from error
        self._store.begin_chain(chain)
        self._chain, self._ended = chain, None
        return chain

    def check_height(self, height: int) -> None:
        """Raise `ConsensusFault` unless a block of this height comes next."""
        chain = self._begun()
        if self._ended is not None:
            raise ConsensusFault(f"block {height}: {self._ended}")
        due = self._tip.height + 1 if self._tip else chain.initial_height
        if height != due or height > MAX_HEIGHT:
            raise ConsensusFault(other_height(height, due))

    def check_header(self, chain_id: str, height: int, app_hash: bytes | None) -> None:
        """Raise `ConsensusFault` unless a block with this header comes next.

        Nothing may be built on a block if the chain and this log differ before it.
        """
        chain = self._begun()
        if chain_id != chain.chain_id:
            raise ConsensusFault(other_chain("block of", chain_id, chain.chain_id))
        self.check_height(height)
        if app_hash is None:
            return
        ours, is_first = self.previous_hash, height == chain.initial_height
        wrong = other_hash(height, app_hash, ours, is_first=is_first)
        if wrong is not None:
            raise ConsensusFault(wrong)

    def append(self, block: Block) -> None:
        """Make the next block durable."""
        self._store.append(block)
        self._tip = Tip(block.height, block.app_hash)
        if any(each.concluded for each in block.tallies):
            self._ended = self._end()

    def reload(self) -> bool:
        """Find what a restored snapshot has changed; whether it has moved the tip."""
        tip = self._store.tip()
        if tip == self._tip:
            return False
        self._chain, self._tip = self._store.chain(), tip
        self._ended = self._end()
        return True

    def _begun(self) -> Chain:
        if self._chain is None:
            raise ConsensusFault("a block before InitChain")
        return self._chain

    def _comes_before(self, tip: Tip) -> bool:
        """Whether this is the last block of the chain before."""
        return self._chain is not None and tip.height < self._chain.initial_height

    def _end(self) -> Ended | None:
        """How the chain has ended, if it has."""
        chain, tip = self._chain, self._tip
        if chain is None or tip is None:
            return None
        migrated_at = self._store.migrated_at()
        if not migrated_at and not self._store.is_imported():
            return None
        return Ended(chain.chain_id, tip.height, migrated_at)

    def _check_first(self, chain: Chain) -> None:
        """Refuse a chain that begins anew, if there is another one or if it has a block."""
        known = self._chain
        if self._ended is not None:
            other = f"{chain.chain_id!r:.80} does not continue it: "
            if chain.chain_id == self._ended.chain_id:
                other = ""
            raise MoveRefused(f"{other}{self._ended}")
        if known is not None and known.chain_id != chain.chain_id:
            raise ConsensusFault(
                other_chain("InitChain for", chain.chain_id, known.chain_id)
            )
        if self._tip is not None:
            raise ConsensusFault(
                f"InitChain for a chain that is at height {self._tip.height} here"
            )

    def _check_move(self, chain: Chain) -> None:
        check_move(
            chain,
            known=self._chain,
            tip=self._tip,
            ended=self._ended,
            before=self._store.chain_at(self.height),
            validators=self._store.validators(),
            digest_of=self._store.digest,
        )
