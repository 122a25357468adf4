"""Whether the chains that went on with a log begin where it says, and with the history before them.

Each move has the digest of all before it, names of earlier chains included, so making the digest
again shows whether any of them was changed, but for the name of the last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import apsw

from trio_stream.ledger.block import RULES
from trio_stream.ledger.digest import ChainDigest
from trio_stream.log.blocks import extent, stored_blocks
from trio_stream.log.digest import add_stored
from trio_stream.log.errors import CommitLogError
from trio_stream.log.rows import newest_block, rows
from trio_stream.log.verify_file import Finding


def check_moves(connection: apsw.Connection, path: Path) -> list[Finding]:
    """What is wrong with them. Reads all transactions before the last one, if there is any."""
    with connection:
        tip = newest_block(connection)
        if tip is None:
            return []
        findings: list[Finding] = []
        sql = (
            "SELECT initial_height, chain_id, rules, start_hash, digest FROM moves"
            " WHERE initial_height <= ? ORDER BY initial_height"
        )
        digests: dict[int, str | None] = {}
        for height, name, rules, start, digest in rows(connection, sql, tip.height + 1):
            is_next = height > tip.height
            at = None if is_next else height
            if rules != RULES:
                findings.append(Finding(at, f"its chain follows unknown rules {rules}"))
            if is_next and tip.app_hash and start != tip.app_hash:
                text = "the next chain goes on from another app hash"
                findings.append(Finding(at, text))
            if name is not None:
                digests[height] = digest
            elif not is_next:
                findings.append(Finding(at, "the chain that begins here has no name"))
        for height in _wrong_digests(connection, path, digests):
            text = f"the digest of the chain from {height} on is not that of the blocks before"
            findings.append(Finding(None if height > tip.height else height, text))
    return findings


def _wrong_digests(
    connection: apsw.Connection, path: Path, digests: Mapping[int, str | None]
) -> list[int]:
    """The initial heights whose digest is not that of the blocks before."""
    if not digests:
        return []
    wrong, last = [], max(digests)
    due = min(digests)
    try:
        found = extent(connection, path, last - 1)
        digest = ChainDigest(found.chain)
        for block in stored_blocks(connection, path, found):
            due = min(each for each in digests if each >= block.height)
            if due == block.height and digests[due] != digest.hexdigest():
                wrong.append(due)
            add_stored(digest, block, path)
        due = last
        if digests[last] != digest.hexdigest():
            wrong.append(last)
    except CommitLogError:
        # What comes before contradicts itself, so nobody can say; the block is found elsewhere.
        wrong.append(due)
    return wrong
