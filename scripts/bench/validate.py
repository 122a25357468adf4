"""How many transactions a second the state machine judges, and what signatures alone would allow.

    python -m scripts.bench.validate [--directory DIR]

Requests go to the application as the ABCI door hands them over; below it is a real commit log,
whose commits are not counted. The limit is PyNaCl's verification of as many signatures, measured in
turn with the rest, so that a machine that others use too is as slow for both; time is the process's
own, for the same reason.

What is new has never been seen: it is parsed, validated and, in a block, staged. What is known was
asked about in CheckTx before, and its candidate is still in the cache.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nacl.bindings import crypto_sign_open

from scripts.bench.report import machine, number, ratio, table
from scripts.signing import Document, Key, create, encode, transfer
from trio_stream.abci.messages import (
    Answer,
    CheckTx,
    Commit,
    FinalizeBlock,
    FinalizeBlockAnswer,
    InitChain,
    Time,
    TxResult,
)
from trio_stream.abci.routine import CHECKS_A_HOP
from trio_stream.ledger.application import Application
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache

ROUNDS = 16
SIZE = 500
SIGNERS = 250
LIMIT = "bare verification"
CACHE_BYTES = 64 * 2**20  # the daemon's default
NOW = Time(1_500_000_000, 0)


@dataclass
class Stopwatch:
    """Seconds spent on each kind of work, in the order it first came."""

    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def on(self, kind: str) -> Iterator[None]:
        """What happens inside is work of this kind."""
        began = time.process_time()
        yield
        took = time.process_time() - began
        self.spent[kind] = self.spent.get(kind, 0.0) + took


class Machine:
    """An application over a log of its own, with the engine's place in the chain."""

    def __init__(self, log: CommitLog) -> None:
        self._application = Application(
            log, CandidateCache(CACHE_BYTES), version="bench"
        )
        self._height = 0
        self._ask(InitChain(NOW, "bench", (), b"", 1, signed=False))

    def check(self, raws: Sequence[bytes]) -> None:
        """In hops, as the ABCI door asks."""
        requests = [CheckTx(raw) for raw in raws]
        for start in range(0, len(requests), CHECKS_A_HOP):
            hop = requests[start : start + CHECKS_A_HOP]
            self._application.prepare(hop)
            for request in hop:
                _demand(self._ask(request))

    def finalize(self, raws: Sequence[bytes]) -> None:
        answer = self._ask(FinalizeBlock(raws, self._height + 1, NOW))
        assert isinstance(answer, FinalizeBlockAnswer), answer
        _demand(*answer.results)

    def commit(self) -> None:
        self._ask(Commit())
        self._height += 1

    def _ask(self, request: InitChain | CheckTx | FinalizeBlock | Commit) -> Answer:
        return self._application.answer(request, owner=1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, help="where the log is written")
    watch = Stopwatch()
    with ExitStack() as stack:
        place = parser.parse_args().directory
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=place))
        log = stack.enter_context(CommitLog.open(Path(directory)))
        _measure(Machine(log), watch)
    limit = watch.spent[LIMIT]
    print(machine())
    rows = [_row(kind, spent, limit) for kind, spent in watch.spent.items()]
    print(table("Validation", ["", "tx/s", "us each", "ratio"], rows))


def _row(kind: str, spent: float, limit: float) -> list[str]:
    count = ROUNDS * SIZE
    return [
        kind,
        number(count / spent),
        number(1e6 * spent / count),
        ratio(limit, spent),
    ]


def _measure(judge: Machine, watch: Stopwatch) -> None:
    keys = [Key.from_seed(n.to_bytes(32, "big")) for n in range(SIGNERS)]
    for number_of_round in range(ROUNDS):
        checked, unseen, transfers = _transactions(keys, number_of_round)
        signed = [_signed(keys[n % SIGNERS], n) for n in range(SIZE)]
        with watch.on(LIMIT):
            for each in signed:
                crypto_sign_open(*each)
        with watch.on("CheckTx, new CREATEs"):
            judge.check(checked)
        with watch.on("block, known CREATEs"):
            judge.finalize(checked)
        judge.commit()
        with watch.on("block, new CREATEs"):
            judge.finalize(unseen)
        judge.commit()
        with watch.on("CheckTx, new TRANSFERs"):
            judge.check(transfers)
        with watch.on("CheckTx again, TRANSFERs"):
            judge.check(transfers)
        with watch.on("block, known TRANSFERs"):
            judge.finalize(transfers)
        judge.commit()


def _transactions(
    keys: Sequence[Key], number_of_round: int
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """CREATEs, other CREATEs, and TRANSFERs of the first ones."""
    creates, others = (
        [
            create(keys[n % SIGNERS], data={"round": number_of_round, kind: n})
            for n in range(SIZE)
        ]
        for kind in ("checked", "unseen")
    )
    transfers = [transfer(each, keys[n % SIGNERS]) for n, each in enumerate(creates)]
    return _encoded(creates), _encoded(others), _encoded(transfers)


def _encoded(documents: Iterable[Document]) -> list[bytes]:
    return [encode(document) for document in documents]


def _signed(key: Key, index: int) -> tuple[bytes, bytes]:
    message = index.to_bytes(32, "big")
    return key.sign(message) + message, bytes(key.secret.verify_key)


def _demand(*answers: Answer) -> None:
    for answer in answers:
        assert isinstance(answer, TxResult) and answer.code == 0, answer


if __name__ == "__main__":
    main()
