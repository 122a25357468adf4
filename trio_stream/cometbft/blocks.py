"""What `block`, `header`, `commit` and `status` answer, of any release, in one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from trio_stream.cometbft.errors import BlockNotThere, Malformed
from trio_stream.cometbft.fields import (
    Members,
    digest,
    elements,
    height,
    integer,
    members,
    octets,
    store_height,
    text,
)


@dataclass(frozen=True, slots=True)
class BlockId:
    """A block's hash, and that of the parts in which it is gossiped."""

    hash: bytes
    parts_total: int
    parts_hash: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header: all that its hash is made of."""

    block_protocol: int
    """10 for releases up to 0.33, 11 since then: it says how hashes are made."""
    app_protocol: int
    chain_id: str
    height: int
    time: str
    """As the node writes it: nanoseconds."""
    counts: tuple[int, int] | None
    """Transactions in the block and in the chain so far, up to 0.32."""
    last_block_id: BlockId
    last_commit_hash: bytes
    data_hash: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    consensus_hash: bytes
    app_hash: bytes
    """Of the application after the block before."""
    last_results_hash: bytes
    evidence_hash: bytes
    proposer_address: bytes


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A header and the block id that the validators signed for it."""

    block_id: BlockId
    header: Header


@dataclass(frozen=True)
class Block(SealedHeader):
    """A block's transactions under its header."""

    txs: tuple[bytes, ...]

    @cached_property
    def tx_digests(self) -> tuple[bytes, ...]:
        """The transactions' hashes. One may be in two blocks, even twice in this one."""
        return tuple([sha256(tx).digest() for tx in self.txs])

    @cached_property
    def tx_hashes(self) -> tuple[str, ...]:
        """As the engine writes them."""
        return tuple([digest.hex().upper() for digest in self.tx_digests])


@dataclass(frozen=True, slots=True)
class Status:
    """What a node says of itself and its store."""

    chain_id: str
    version: str
    latest_height: int
    """Its newest block, whose results may not be there yet; 0 if it has none."""
    latest_hash: bytes
    earliest_height: int | None
    """Its oldest block, whose results may be gone; None from releases that don't say."""
    catching_up: bool


def read_block(result: object) -> Block:
    """What `block` answers with; raises BlockNotThere or Malformed."""
    answer = members(result, "the answer")
    if answer.get("block") is None:
        raise BlockNotThere("the node has no block of that height")
    block = members(answer["block"], "the block")
    # Up to 0.32 the block id comes within the block's metadata.
    sealed = members(answer.get("block_meta") or answer, "the block's metadata")
    data = members(block.get("data"), "the block's data")
    return Block(
        read_block_id(sealed.get("block_id")),
        read_header(block.get("header")),
        tuple(
            octets(tx, "a transaction")
            for tx in elements(data.get("txs"), "the transactions")
        ),
    )


def read_bare_header(result: object) -> Header:
    """What `header` answers with, from 0.37 on; raises BlockNotThere or Malformed."""
    answer = members(result, "the answer")
    if answer.get("header") is None:
        raise BlockNotThere("the node has no header of that height")
    return read_header(answer["header"])


def read_commit(result: object) -> SealedHeader:
    """What `commit` answers with; raises BlockNotThere or Malformed."""
    signed = members(result, "the answer").get("signed_header")
    found = members(signed or {}, "the signed header")
    if found.get("header") is None or found.get("commit") is None:
        raise BlockNotThere("the node has no commit of that height")
    commit = members(found["commit"], "the commit")
    return SealedHeader(
        read_block_id(commit.get("block_id")), read_header(found["header"])
    )


def read_status(result: object) -> Status:
    """What `status` answers with; raises Malformed."""
    answer = members(result, "the answer")
    node = members(answer.get("node_info"), "node_info")
    store = members(answer.get("sync_info"), "sync_info")
    earliest = store.get("earliest_block_height")
    return Status(
        chain_id=_name(node, "network"),
        version=text(node.get("version"), "the version"),
        latest_height=store_height(
            store.get("latest_block_height"), "the latest height"
        ),
        latest_hash=digest(store.get("latest_block_hash"), "the latest hash"),
        earliest_height=(
            None if earliest is None else store_height(earliest, "the earliest height")
        ),
        catching_up=store.get("catching_up") is True,
    )


def read_header(raw: object) -> Header:
    """A header wherever one stands; raises Malformed."""
    header = members(raw, "the header")
    version = members(header.get("version") or {}, "the header's version")
    counts = None
    if "num_txs" in header:
        counts = (
            integer(header["num_txs"], "num_txs"),
            integer(header.get("total_txs"), "total_txs"),
        )
    return Header(
        # Left out where it is 0, as in the headers of chains that never set it.
        integer(version.get("block"), "version.block"),
        integer(version.get("app"), "version.app"),
        _name(header, "chain_id"),
        height(header.get("height"), "the block's height"),
        text(header.get("time"), "time"),
        counts,
        read_block_id(header.get("last_block_id")),
        *(digest(header.get(name), name) for name in HASHES),
    )


HASHES = (
    "last_commit_hash",
    "data_hash",
    "validators_hash",
    "next_validators_hash",
    "consensus_hash",
    "app_hash",
    "last_results_hash",
    "evidence_hash",
    "proposer_address",
)


def read_block_id(raw: object) -> BlockId:
    """A block id; that of the block before the first is empty."""
    block_id = members(raw or {}, "a block id")
    parts: Mapping[str, object] = members(
        block_id.get("parts") or block_id.get("part_set_header") or {}, "parts"
    )
    return BlockId(
        digest(block_id.get("hash"), "a block's hash"),
        integer(parts.get("total"), "parts.total"),
        digest(parts.get("hash"), "parts.hash"),
    )


def _name(found: Members, key: str) -> str:
    name = text(found.get(key), key)
    if not name:
        raise Malformed(f"{key} is empty")
    return name
