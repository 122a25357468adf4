"""What the log of a followed chain takes on disk, and where it goes.

    python -m scripts.bench.follow_log [--blocks N] [--transactions N]

Transfers as chains of the Cosmos SDK have them: recorded ones, with random addresses, amounts,
signatures and hashes. With the index of all flagged attributes, as is the default, and without any.
Bytes are those of a file that was just written; times are the processor's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.bench.follow_data import MadeBlocks
from scripts.bench.report import machine, number, table
from tests.cometbft import recordings
from trio_stream.cometbft.followed import FollowedChain
from trio_stream.log.followed.index import FLAGGED, NOTHING
from trio_stream.log.followed.writer import FollowedLog

PARTS = (
    ("bodies", ("transaction_bodies", "block_bodies", "blocks")),
    ("attributes", ("attributes",)),
    ("types", ("events",)),
    ("hashes", ("transactions", "transactions_by_hash")),
)


def rows(name: str, blocks: int, transactions: int) -> Iterator[list[object]]:
    for keys, index in ((FLAGGED, "all flagged"), (NOTHING, "none")):
        made = MadeBlocks(name, transactions)
        raw = events = 0
        spent = 0.0
        with tempfile.TemporaryDirectory(prefix="log-") as folder:
            with FollowedLog.open(Path(folder), keys=keys) as log:
                log.begin(FollowedChain("made", 1))
                for height in range(1, blocks + 1):
                    each = made.at(height)
                    for answer in (each.raw_block, each.raw_results):
                        raw += len(json.dumps(answer, separators=(",", ":")))
                    events += sum(len(tx.events) for tx in each.results.txs)
                    started = time.process_time()
                    log.append(each)
                    spent += time.process_time() - started
                log.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                sizes = dict(
                    log.connection.execute(
                        "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"
                    )
                )
        count, stored = blocks * transactions, sum(sizes.values())
        parts = [sum(sizes.pop(each, 0) for each in names) for _, names in PARTS]
        yield [
            f"{name.split('_')[0]}, {index}",
            f"{events / count:.0f}",
            f"{raw / count:,.0f}",
            f"{stored / count:,.0f}",
            f"{stored / events:,.0f}",
            *(f"{part / count:,.0f}" for part in (*parts, sum(sizes.values()))),
            number(1000 * spent / count),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--transactions", type=int, default=50)
    options = parser.parse_args()
    print(machine())
    head = ["chain, index", "events", "as JSON", "stored", "per event"]
    head += [name for name, _ in PARTS] + ["other", "append, ms"]
    title = f"bytes per transaction, {options.transactions} in a block"
    some = [
        row
        for name in sorted(recordings.SDK, reverse=True)
        for row in rows(name, options.blocks, options.transactions)
    ]
    print(table(title, head, some))


if __name__ == "__main__":
    main()
