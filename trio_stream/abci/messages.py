"""The ABCI messages as values, the same in every dialect: first the requests, then the answers.

A request says what the state machine needs and no more: votes, evidence, hashes of the header and
the like have no use here and are dropped. An answer says what the state machine decided; in which
message and field it travels is the codec's business. Nothing here knows bytes, field numbers or
releases. Those about snapshots are in `abci.snapshot_messages`.

Whether length prefixes are signed enters the state, so it is a field of InitChain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trio_stream.abci.snapshot_messages import (
    ApplyAnswer,
    ApplySnapshotChunk,
    ChunkAnswer,
    ListSnapshots,
    LoadSnapshotChunk,
    OfferAnswer,
    OfferSnapshot,
    SnapshotsAnswer,
)


class Time(NamedTuple):
    """A moment, as protobuf's Timestamp has it: since 1970, in UTC."""

    seconds: int
    nanos: int


class ValidatorUpdate(NamedTuple):
    """A validator and its power; power 0 removes it from the set."""

    key_type: str
    """`ed25519`, `secp256k1` ...; empty if the engine named a kind of key we don't know."""
    key: bytes
    power: int


@dataclass(frozen=True, slots=True)
class Echo:
    """Answer with the same text (sent by tools only, never by an engine)."""

    message: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Answer everything before it; the engine waits for this answer."""


@dataclass(frozen=True, slots=True)
class Info:
    """Say how far you are; opens the engine's handshake."""

    version: str
    abci_version: str


@dataclass(frozen=True, slots=True)
class SetOption:
    """Set something outside of consensus (sent by tools only)."""


@dataclass(frozen=True, slots=True)
class InitChain:
    """Begin a chain; comes again as long as Info says height 0."""

    time: Time
    chain_id: str
    validators: tuple[ValidatorUpdate, ...]
    app_state: bytes
    """The genesis file's `app_state`, verbatim JSON text; may be empty."""
    initial_height: int
    """1 if the engine does not say."""
    signed: bool
    """Its length prefix was signed: Tendermint to 0.34, CometBFT 0.34."""


@dataclass(frozen=True, slots=True)
class Query:
    """Ask for a value of the state; we keep none that can be asked for in this way."""


@dataclass(frozen=True, slots=True)
class CheckTx:
    """May this transaction enter the mempool, or stay there after a block?"""

    tx: bytes


@dataclass(frozen=True, slots=True)
class BeginBlock:
    """A decided block begins (up to CometBFT 0.37)."""

    chain_id: str
    height: int
    time: Time
    app_hash: bytes | None = None
    """The hash after the block before; None if it is not the application's."""


@dataclass(frozen=True, slots=True)
class DeliverTx:
    """The block's next transaction (up to CometBFT 0.37)."""

    tx: bytes


@dataclass(frozen=True, slots=True)
class EndBlock:
    """The block's transactions are all delivered (up to CometBFT 0.37)."""

    height: int


@dataclass(frozen=True, slots=True)
class FinalizeBlock:
    """A decided block, whole (from CometBFT 0.38)."""

    txs: Sequence[bytes]
    height: int
    time: Time


@dataclass(frozen=True, slots=True)
class Commit:
    """Make the block durable."""


@dataclass(frozen=True, slots=True)
class PrepareProposal:
    """It is our turn to propose: which of these transactions, in which order?"""

    max_tx_bytes: int
    txs: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ProcessProposal:
    """Accept this proposal? It may be our own."""


@dataclass(frozen=True, slots=True)
class ExtendVote:
    """Is there anything to add to our vote?"""


@dataclass(frozen=True, slots=True)
class VerifyVoteExtension:
    """Accept what another validator added to its vote?"""


@dataclass(frozen=True, slots=True)
class InsertTx:
    """A peer's transaction, for a mempool kept by the application."""


@dataclass(frozen=True, slots=True)
class ReapTxs:
    """What does the application's own mempool hold for the peers?"""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A request that no dialect we speak has."""

    number: int


Request = (
    Echo
    | Flush
    | Info
    | SetOption
    | InitChain
    | Query
    | CheckTx
    | BeginBlock
    | DeliverTx
    | EndBlock
    | FinalizeBlock
    | Commit
    | ListSnapshots
    | OfferSnapshot
    | LoadSnapshotChunk
    | ApplySnapshotChunk
    | PrepareProposal
    | ProcessProposal
    | ExtendVote
    | VerifyVoteExtension
    | InsertTx
    | ReapTxs
    | Unknown
)


@dataclass(frozen=True, slots=True)
class Failure:
    """The request can't be answered, and the engine must not go on with us.

    It may answer any request. From 0.34 on the engine exits when it gets one; to refuse a
    transaction use `TxResult.code`.
    """

    error: str


@dataclass(frozen=True, slots=True)
class EchoAnswer:
    """The text of the Echo."""

    message: str


@dataclass(frozen=True, slots=True)
class InfoAnswer:
    """What is durable; height 0 and an empty hash before the first block."""

    version: str
    last_block_height: int
    last_block_app_hash: bytes


@dataclass(frozen=True, slots=True)
class InitChainAnswer:
    """The hash that the chain starts from; empty keeps the genesis file's."""

    app_hash: bytes


@dataclass(frozen=True, slots=True)
class TxResult:
    """The verdict on a transaction: code 0 is valid. For CheckTx and DeliverTx."""

    code: int
    log: str = ""


@dataclass(frozen=True, slots=True)
class EndBlockAnswer:
    """Changes of the validator set that the block causes."""

    validator_updates: Sequence[ValidatorUpdate] = ()


@dataclass(frozen=True, slots=True)
class FinalizeBlockAnswer:
    """One result per transaction, in order, and the hash after the block."""

    results: Sequence[TxResult]
    app_hash: bytes
    validator_updates: Sequence[ValidatorUpdate] = ()


@dataclass(frozen=True, slots=True)
class CommitAnswer:
    """The block is durable. The hash is not sent if FinalizeBlock's answer had it."""

    app_hash: bytes


@dataclass(frozen=True, slots=True)
class PrepareProposalAnswer:
    """The transactions to propose."""

    txs: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to all other requests: each has only one, whatever was asked."""


Answer = (
    Failure
    | EchoAnswer
    | InfoAnswer
    | InitChainAnswer
    | TxResult
    | EndBlockAnswer
    | FinalizeBlockAnswer
    | CommitAnswer
    | PrepareProposalAnswer
    | SnapshotsAnswer
    | OfferAnswer
    | ChunkAnswer
    | ApplyAnswer
    | Done
)
