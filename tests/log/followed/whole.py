"""Logs of a made chain whose hashes are right, as checks of whole logs need them."""

from __future__ import annotations

from pathlib import Path

from tests.follower.chain import MadeChain
from trio_stream.cometbft.blocks import read_block
from trio_stream.cometbft.followed import FollowedBlock, FollowedChain
from trio_stream.cometbft.results import read_results
from trio_stream.log.file import FILE_NAME
from trio_stream.log.followed.index import FLAGGED, IndexedKeys
from trio_stream.log.followed.writer import FollowedLog

OLDEST, TIP = 2, 11


def block_of(chain: MadeChain, height: int) -> FollowedBlock:
    raw_block, raw_results = chain.blocks[height], chain.results[height]
    return FollowedBlock(
        read_block(raw_block), read_results(raw_results), raw_block, raw_results
    )


def written(
    home: Path,
    chain: MadeChain | None = None,
    *,
    keys: IndexedKeys = FLAGGED,
    last: int = TIP,
) -> Path:
    """The closed file of a log that has the chain from `OLDEST` on."""
    chain = chain or MadeChain(last)
    with FollowedLog.open(home, keys=keys) as log:
        log.begin(FollowedChain(chain.chain_id, OLDEST))
        for height in range(OLDEST, last + 1):
            log.append(block_of(chain, height))
    return home / FILE_NAME
