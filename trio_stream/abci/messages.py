"""The ABCI messages as values, the same in every dialect.

A request says what the state machine needs and no more: votes, evidence, hashes
of the header and the like have no use here and are not kept. An answer says what
the state machine decided; in which message and field it travels is the codec's
business. Nothing here knows bytes, numbers of fields or names of releases.

What is common to a family of engines and must enter state (whether the prefix is
signed) is a field of the request it belongs to, so that no one asks the connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Time(NamedTuple):
    """A moment, as protobuf's Timestamp has it: since 1970, in UTC."""

    seconds: int
    nanos: int


class ValidatorUpdate(NamedTuple):
    """A validator and its power; power 0 removes it from the set."""

    key_type: str
    """`ed25519`, `secp256k1` ...; empty where the engine named no key we know."""
    key: bytes
    power: int


# Requests ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Echo:
    """Answer with the same text (sent by tools only, never by a node)."""

    message: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Answer everything before it; the node waits for this answer."""


@dataclass(frozen=True, slots=True)
class Info:
    """Say how far you are; opens the node's handshake."""

    version: str
    block_version: int
    p2p_version: int
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
    """The genesis file's `app_state`, JSON text as it stands; may be empty."""
    initial_height: int
    """1 where the engine does not say."""
    signed: bool
    """It came with signed length prefixes: Tendermint to 0.34, CometBFT 0.34."""


@dataclass(frozen=True, slots=True)
class Query:
    """Ask for a value of the state; we keep none that can be asked for in this way."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class CheckTx:
    """May this transaction enter the mempool?"""

    tx: bytes
    recheck: bool
    """It is there already, and a block was committed since."""


@dataclass(frozen=True, slots=True)
class BeginBlock:
    """A decided block begins (up to CometBFT 0.37)."""

    chain_id: str
    height: int
    time: Time
    app_hash: bytes | None = None
    """The hash after the block before; None where it is not the application's."""


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
class ListSnapshots:
    """Which snapshots can a peer have of us?"""


@dataclass(frozen=True, slots=True)
class OfferSnapshot:
    """Shall this snapshot be restored?"""


@dataclass(frozen=True, slots=True)
class LoadSnapshotChunk:
    """A peer wants a piece of a snapshot."""


@dataclass(frozen=True, slots=True)
class ApplySnapshotChunk:
    """A piece of the snapshot that is being restored."""


@dataclass(frozen=True, slots=True)
class PrepareProposal:
    """This node proposes: which of these transactions, in which order?"""

    max_tx_bytes: int
    txs: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ProcessProposal:
    """Another's proposal, or our own: accept it?"""


@dataclass(frozen=True, slots=True)
class ExtendVote:
    """Add something to our vote?"""


@dataclass(frozen=True, slots=True)
class VerifyVoteExtension:
    """Accept what another added to its vote?"""


@dataclass(frozen=True, slots=True)
class InsertTx:
    """A peer's transaction, for a mempool kept by the application."""

    tx: bytes


@dataclass(frozen=True, slots=True)
class ReapTxs:
    """What has the application's own mempool for the peers?"""


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


# Answers -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failure:
    """The request can't be answered, and the node must not go on with us.

    It is right to any request. From 0.34 on the node ends when it gets one; to
    refuse a transaction there is `TxResult.code`.
    """

    error: str


@dataclass(frozen=True, slots=True)
class EchoAnswer:
    """The text of the Echo."""

    message: str


@dataclass(frozen=True, slots=True)
class InfoAnswer:
    """What is durable; height 0 with no hash before the first block."""

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
    """One result a transaction, in order, and the hash after the block."""

    results: Sequence[TxResult]
    app_hash: bytes
    validator_updates: Sequence[ValidatorUpdate] = ()


@dataclass(frozen=True, slots=True)
class CommitAnswer:
    """The block is durable. The hash is not sent where FinalizeBlock's answer had it."""

    app_hash: bytes


@dataclass(frozen=True, slots=True)
class PrepareProposalAnswer:
    """The transactions to propose."""

    txs: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Done:
    """All other requests: the one answer that each has, whatever was asked."""


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
    | Done
)
