"""The hashes that a header commits to, made again from what was read.

Up to 0.33 (block protocol 10) they are made of Amino, since then (11) of protocol buffers. For
these messages the two differ in what a header and a result hold, and in that a tree without leaves
had no hash at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from trio_stream.cometbft import merkle, wire
from trio_stream.cometbft.blocks import BlockId, Header
from trio_stream.cometbft.instants import SECOND, instant
from trio_stream.cometbft.results import TxResult

AMINO = 10
"""The last block protocol that is encoded so."""


def data_hash(tx_digests: Sequence[bytes], block_protocol: int) -> bytes:
    """What `data_hash` is with transactions of those hashes."""
    return _root(tx_digests, block_protocol)


def results_hash(results: Sequence[TxResult], block_protocol: int) -> bytes:
    """What the next block's `last_results_hash` is with those results.

    Only what every node must agree on is in it: never events, logs or the codespace, and gas not
    before 0.34.
    """
    return _root([_result(each, block_protocol) for each in results], block_protocol)


def header_hash(header: Header) -> bytes:
    """The hash of the block: a tree above the header's fields, each by itself."""
    seconds, nanoseconds = divmod(instant(header.time), SECOND)
    counts = header.counts
    return merkle.root(
        [
            wire.number(1, header.block_protocol) + wire.number(2, header.app_protocol),
            _single(header, header.chain_id.encode()),
            _integer(header, header.height),
            wire.number(1, seconds) + wire.number(2, nanoseconds),
            *(() if counts is None else (_integer(header, each) for each in counts)),
            _block_id(header.last_block_id, header.block_protocol),
            _single(header, header.last_commit_hash),
            _single(header, header.data_hash),
            _single(header, header.validators_hash),
            _single(header, header.next_validators_hash),
            _single(header, header.consensus_hash),
            _single(header, header.app_hash),
            _single(header, header.last_results_hash),
            _single(header, header.evidence_hash),
            _single(header, header.proposer_address),
        ]
    )


def _root(leaves: Sequence[bytes], block_protocol: int) -> bytes:
    if not leaves and block_protocol <= AMINO:
        return b""
    return merkle.root(leaves)


def _result(result: TxResult, block_protocol: int) -> bytes:
    start = wire.number(1, result.code) + wire.octets(2, result.data)
    if block_protocol <= AMINO:
        return start
    return start + wire.number(5, result.gas_wanted) + wire.number(6, result.gas_used)


def _single(header: Header, value: bytes) -> bytes:
    """A text or bytes by itself: Amino gives its length, protocol buffers wrap it in a message."""
    if header.block_protocol <= AMINO:
        return wire.varint(len(value)) + value if value else b""
    return wire.octets(1, value)


def _integer(header: Header, value: int) -> bytes:
    if header.block_protocol <= AMINO:
        return wire.varint(value)
    return wire.number(1, value)


def _block_id(block_id: BlockId, block_protocol: int) -> bytes:
    parts = wire.number(1, block_id.parts_total) + wire.octets(2, block_id.parts_hash)
    start = wire.octets(1, block_id.hash)
    if block_protocol <= AMINO:
        return start + wire.octets(2, parts)
    # There even if it is empty, since it is no pointer in Go.
    return start + wire.message(2, parts)
