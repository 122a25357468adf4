"""The chain and its newest block: what InitChain begins, and which block may follow.

A block must be the one after the tip, or the chain's first, and it must be of this chain. Anything
else means that the engine and this log have different histories: it changes nothing, and is a
`ConsensusFault`, which the engine is answered with.
"""

from __future__ import annotations

from typing import Protocol

from trio_stream.abci.messages import InitChain
from trio_stream.ledger.block import MAX_HEIGHT, Block, Chain, Tip
from trio_stream.ledger.departures import other_chain, other_hash, other_height
from trio_stream.ledger.genesis import GenesisError, read_chain
from trio_stream.ledger.staging import State


class ConsensusFault(Exception):
    """The engine asked for something illegal; becomes `Failure`."""


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


class History:
    """The chain and the tip of a store, which only this object moves."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._chain = store.chain()
        self._tip = store.tip()

    @property
    def height(self) -> int:
        """Height of the newest durable block; 0 before the first."""
        return self._tip.height if self._tip else 0

    def newest(self) -> Tip:
        """What Info says."""
        # Before the first block the hash is empty even if the chain starts from another one: up to
        # 0.33 the engine compares it with the genesis file's, later ones don't look at it.
        # The tip is read once: another thread may be making a block durable.
        return self._tip or Tip(0, "")

    @property
    def previous_hash(self) -> str:
        """The app hash that the next block follows."""
        return self._tip.app_hash if self._tip else self._begun().start_hash

    def begin(self, request: InitChain) -> Chain:
        """Begin the chain that is asked for; durable on return."""
        known = self._chain
        if known is not None and known.chain_id != request.chain_id:
            raise ConsensusFault(
                other_chain("InitChain for", request.chain_id, known.chain_id)
            )
        if self._tip is not None:
            raise ConsensusFault(
                f"InitChain for a chain that is at height {self._tip.height} here"
            )
        try:
            chain = read_chain(request)
        except GenesisError as error:
            raise ConsensusFault(f"InitChain: {error}") from error
        self._store.begin_chain(chain)
        self._chain = chain
        return chain

    def check_height(self, height: int) -> None:
        """Raise `ConsensusFault` unless a block of this height comes next."""
        chain = self._begun()
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
        ours, is_first = self.previous_hash, self._tip is None
        wrong = other_hash(height, app_hash, ours, is_first=is_first)
        if wrong is not None:
            raise ConsensusFault(wrong)

    def append(self, block: Block) -> None:
        """Make the next block durable."""
        self._store.append(block)
        self._tip = Tip(block.height, block.app_hash)

    def _begun(self) -> Chain:
        if self._chain is None:
            raise ConsensusFault("a block before InitChain")
        return self._chain
