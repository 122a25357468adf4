"""What a snapshot says of itself, to those who may want it.

A description is all that a peer knows before it fetches chunks. It says which chain the snapshot
is of, and promises what the chunks hold:

    metadata = length (4 bytes) of a JSON object, the object, the SHA-256 of each chunk
    hash     = SHA-256 of: format (4 bytes), height (8), number of chunks (4), metadata

All numbers are big-endian, and the JSON has no blanks and its members in order, so that the nodes
of a chain describe what is the same in the same way. `snapshot_chunks` has the chunks.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from trio_stream.abci.messages import Time
from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.ledger.block import MAX_HEIGHT, Chain
from trio_stream.transactions.elections import Validator

FORMAT: Final = 1
MAX_CHUNKS: Final = 100_000
"""Engines carry 4 MB of metadata. It is 400 GB of transactions."""
METADATA_LIMIT: Final = 3_900_000

_LENGTH: Final = struct.Struct(">I")
_HASHED: Final = struct.Struct(">IQI")
_DIGEST_BYTES: Final = 32


class SnapshotError(Exception):
    """This is no snapshot, or it is not what it claims to be; the text says why."""


class Move(NamedTuple):
    """A row of the table `moves`."""

    initial_height: int
    chain_id: str
    rules: int
    start_hash: str
    genesis_seconds: int
    genesis_nanos: int
    digest: str


class Head(NamedTuple):
    """What a snapshot says of itself."""

    chain: Chain
    """The one with which the log began."""
    moves: Sequence[Move]
    """Those that went on with it, the oldest first."""
    height: int
    app_hash: str
    size: int
    """Bytes of all chunks before they are compressed."""
    digests: Sequence[bytes]
    """The SHA-256 of each chunk."""


def describe(head: Head) -> Snapshot:
    """What peers are told of a snapshot."""
    chain = head.chain
    told = {
        "app_hash": head.app_hash,
        "chain_id": chain.chain_id,
        "genesis_time": [*chain.genesis_time],
        "initial_height": chain.initial_height,
        "moves": head.moves,
        "rules": chain.rules,
        "size": head.size,
        "start_hash": chain.start_hash,
        "validators": [[each.key_type, each.key.hex(), each.power] for each in chain.validators],
    }  # fmt: skip
    text = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    metadata = b"".join([_LENGTH.pack(len(text)), text, *head.digests])
    chunks = len(head.digests)
    digest = _hash(FORMAT, head.height, chunks, metadata)
    return Snapshot(head.height, FORMAT, chunks, digest, metadata)


def read_head(snapshot: Snapshot) -> Head:
    """The contents of a description, which a peer may have sent. Raises `SnapshotError`."""
    _, _, chunks, digest, metadata = snapshot
    if not 0 < chunks <= MAX_CHUNKS or len(metadata) > METADATA_LIMIT:
        raise SnapshotError(f"{chunks} chunks, {len(metadata)} bytes of metadata")
    if digest != _hash(snapshot.format, snapshot.height, chunks, metadata):
        raise SnapshotError("its hash is not that of its metadata")
    try:
        (length,) = _LENGTH.unpack_from(metadata)
        text, digests = metadata[4 : 4 + length], metadata[4 + length :]
        head = _head(snapshot.height, json.loads(text), digests)
    except (struct.error, LookupError, TypeError, ValueError, RecursionError) as error:
        raise SnapshotError(f"its metadata can't be read: {error!r:.100}") from error
    if len(digests) != chunks * _DIGEST_BYTES:
        raise SnapshotError("its metadata has not one hash for each chunk")
    if not 1 <= head.chain.initial_height <= head.height <= MAX_HEIGHT:
        raise SnapshotError(f"it ends at height {head.height}")
    return head


def _head(height: int, told: Any, digests: bytes) -> Head:
    chain = Chain(
        str(told["chain_id"]),
        int(told["rules"]),
        str(told["start_hash"]),
        int(told["initial_height"]),
        Time(*map(int, told["genesis_time"])),
        tuple(
            Validator(str(key_type), bytes.fromhex(key), int(power))
            for key_type, key, power in told["validators"]
        ),
    )
    places = range(0, len(digests), _DIGEST_BYTES)
    each = [digests[at : at + _DIGEST_BYTES] for at in places]
    moves = [_move(*row) for row in told["moves"]]
    return Head(chain, moves, height, str(told["app_hash"]), int(told["size"]), each)


def _move(
    height: Any, chain_id: Any, rules: Any, start: Any, s: Any, n: Any, digest: Any
) -> Move:
    return Move(
        int(height), str(chain_id), int(rules), str(start), int(s), int(n), str(digest)
    )


def _hash(*parts: Any) -> bytes:
    *numbers, metadata = parts
    try:
        return hashlib.sha256(_HASHED.pack(*numbers) + metadata).digest()
    except struct.error as error:
        raise SnapshotError("a number is too large") from error
