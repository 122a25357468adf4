"""Whether an answer can be true: what a chain commits to, held against what a node said.

No trust in the node is needed for these, and no key: a header commits to its transactions, to the
block before it, and to the results of that block and the application's state after it. What no
header commits to are events, logs and codespaces: only another node can confirm those.

Some forks give `data_hash` a meaning of their own (Celestia's is the root of the extended data
square). For those that one check can be left out; the block's hash still holds.
"""

from __future__ import annotations

from trio_stream.cometbft.blocks import Block, Header, SealedHeader
from trio_stream.cometbft.errors import (
    AppHashMismatch,
    BlockHashMismatch,
    BrokenLink,
    DataHashMismatch,
    NonsenseResults,
    OtherChain,
    OtherHeight,
    ResultCountMismatch,
    ResultsHashMismatch,
)
from trio_stream.cometbft.hashes import data_hash, header_hash, results_hash
from trio_stream.cometbft.results import BlockResults

SHOWN = 16
"""Digits of a hash in an error."""


def check_block(block: Block, *, height: int, chain_id: str, data: bool = True) -> None:
    """Raise a Mismatch unless `block` is what its hash says, of that height and chain."""
    check_header(block, height=height, chain_id=chain_id)
    header = block.header
    if data and data_hash(block.tx_digests, header.block_protocol) != header.data_hash:
        raise DataHashMismatch(
            f"block {height}: its {len(block.txs)} transactions are not those of"
            f" data_hash {_shown(header.data_hash)}"
        )


def check_header(sealed: SealedHeader, *, height: int, chain_id: str) -> None:
    """Raise a Mismatch unless the header is what its hash says, of that height and chain."""
    header = sealed.header
    if header.chain_id != chain_id:
        raise OtherChain(
            f"block {height} is of {header.chain_id!r}, not of {chain_id!r}"
        )
    if header.height != height:
        raise OtherHeight(
            f"asked for block {height}, the answer is block {header.height}"
        )
    if (made := header_hash(header)) != sealed.block_id.hash:
        raise BlockHashMismatch(
            f"block {height}: the header's hash is {_shown(made)}, the block's is"
            f" {_shown(sealed.block_id.hash)}"
        )


def check_results(block: Block, results: BlockResults) -> None:
    """Raise a Mismatch unless those can be the results of `block`."""
    height = block.header.height
    if results.height != height:
        raise OtherHeight(
            f"asked for results of block {height}, the answer is of {results.height}"
        )
    if results.looks_misread:
        raise NonsenseResults(
            f"results of block {height}: the node misreads its record from before it was"
            " upgraded, as CometBFT 0.38.0 to 0.38.9 do"
        )
    if len(results.txs) != len(block.txs):
        raise ResultCountMismatch(
            f"block {height} has {len(block.txs)} transactions and"
            f" {len(results.txs)} results"
        )


def check_link(previous: bytes, block: SealedHeader) -> None:
    """Raise BrokenLink unless `block` follows the one with the hash `previous`."""
    if (said := block.header.last_block_id.hash) != previous:
        raise BrokenLink(
            f"block {block.header.height} follows {_shown(said)}, and not"
            f" {_shown(previous)}, which is the one before it here"
        )


def check_next(results: BlockResults, following: Header) -> None:
    """Raise a Mismatch unless the header after the block commits to those results."""
    height = following.height - 1
    if results.height != height:
        raise OtherHeight(f"header {following.height} is not next to {results.height}")
    made = results_hash(results.txs, following.block_protocol)
    if made != following.last_results_hash:
        raise ResultsHashMismatch(
            f"results of block {height}: their hash is {_shown(made)}, the next header has"
            f" {_shown(following.last_results_hash)}"
        )
    if results.app_hash is not None and results.app_hash != following.app_hash:
        raise AppHashMismatch(
            f"results of block {height}: app_hash is {_shown(results.app_hash)}, the next"
            f" header has {_shown(following.app_hash)}"
        )


def _shown(value: bytes) -> str:
    return value.hex().upper()[:SHOWN] or "no hash"
