"""How many transactions a second `trio-stream check` verifies, and what the signatures alone take.

    python -m scripts.bench.check [--transactions 100000] [--directory DIR]

A log of signed CREATEs and TRANSFERs, half of each, by 2,000 keys, is checked thoroughly and
without signatures, by one process and by one per processor. The limit is what libsodium alone
verifies on one processor.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from scripts.bench.report import machine, number, ratio, table
from scripts.signing import Key, create, encode, transfer
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Chain
from trio_stream.ledger.staging import StagedBlock
from trio_stream.log.verify import verify
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.ed25519 import is_signed

PER_BLOCK: Final = 500
SIGNATURES: Final = 5_000
NOW: Final = Time(1_500_000_000, 0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transactions", type=int, default=100_000)
    parser.add_argument("--directory", type=Path, help="where the log is written")
    given = parser.parse_args()
    limit = _verifications()
    with tempfile.TemporaryDirectory(dir=given.directory) as directory:
        path = _write(Path(directory), given.transactions // PER_BLOCK)
        rows = []
        for processes in (1, len(os.sched_getaffinity(0))):
            for thorough in (True, False):
                began = time.perf_counter()
                report = verify(path, thorough=thorough, processes=processes)
                rate = report.transactions / (time.perf_counter() - began)
                assert not report.found, report.findings
                what = "all" if thorough else "without signatures"
                rows.append([what, processes, number(rate), ratio(rate, limit)])
    print(machine())
    head = ["what is checked", "processes", "tx/s", "of bare Ed25519"]
    print(table(f"Check of {given.transactions:,} transactions", head, rows))


def _verifications() -> float:
    """Signatures that one processor verifies in a second."""
    key, message = Key.from_seed(bytes(32)), bytes(32)
    signature, public = key.sign(message), bytes(key.secret.verify_key)
    began = time.perf_counter()
    for _ in range(SIGNATURES):
        assert is_signed(message, signature, public)
    return SIGNATURES / (time.perf_counter() - began)


def _write(home: Path, blocks: int) -> Path:
    keys = [Key.from_seed(number.to_bytes(32)) for number in range(2_000)]
    cache = CandidateCache(0)
    spendable: list[tuple[dict[str, Any], Key]] = []
    app_hash = ""
    with CommitLog.open(home) as log:
        log.begin_chain(Chain("bench", 1, "", 1, NOW, ()))
        for height in range(1, blocks + 1):
            staged = StagedBlock(log, height=height, time=NOW)
            deliver = partial(_deliver, staged, cache)
            made = []
            for index in range(PER_BLOCK - len(spendable)):
                key = keys[(height * PER_BLOCK + index) % len(keys)]
                document = create(key, data={"block": height, "bicycle": str(index)})
                deliver(document)
                made.append((document, key))
            for document, key in spendable:
                deliver(transfer(document, key))
            spendable = made[: PER_BLOCK // 2]
            block = staged.end(app_hash)
            app_hash = block.app_hash
            log.append(block)
            log.connection.wal_checkpoint()
    return log.path


def _deliver(
    staged: StagedBlock, cache: CandidateCache, document: dict[str, Any]
) -> None:
    refused = staged.deliver(cache.examine(encode(document)))
    assert refused is None, refused


if __name__ == "__main__":
    main()
