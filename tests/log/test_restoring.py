"""Restoring a snapshot that a peer offers."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import logging
import shutil
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.signing import create, encode
from tests.ledger.chains import ALICE, TIME, new_engine
from tests.log.snapshotting import (
    GENESIS_FILE,
    Taken,
    apply_all,
    contents,
    offer,
    take,
    write_varied,
)
from trio_stream.abci.snapshot_messages import (
    ApplyAnswer,
    ChunkVerdict,
    OfferVerdict,
    Snapshot,
)
from trio_stream.ledger.block import Chain, Tip
from trio_stream.log import chunk_readers
from trio_stream.log import restoring as restoring_room
from trio_stream.log.chunk_rows import ChunkRows
from trio_stream.log.errors import LogOutOfSpace, LogReplaced
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.rebuilding import Rebuilding
from trio_stream.log.restoring import Restoring
from trio_stream.log.rows import rows
from trio_stream.log.snapshot_head import describe, read_head
from trio_stream.log.verify import verify
from trio_stream.log.writer import CommitLog

ACCEPTED = ApplyAnswer(ChunkVerdict.ACCEPT)
ABORTED = ApplyAnswer(ChunkVerdict.ABORT)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("serving")
    with CommitLog.open(home) as log:
        write_varied(log)
    return home


@pytest.fixture(scope="module")
def taken(home: Path) -> Taken:
    with CommitLog.open(home) as log:
        return take(log)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[CommitLog]:
    with CommitLog.open(tmp_path) as log:
        yield log


@pytest.fixture
def restoring(log: CommitLog) -> Iterator[Restoring]:
    restoring = Restoring(log)
    yield restoring
    restoring.close()


def assert_nothing_left(log: CommitLog) -> None:
    assert log.tip() is None and log.chain() is None
    names = [each.name for each in log.path.parent.iterdir()]
    assert {name.partition("-")[0] for name in names} == {FILE_NAME, "lock"}


def test_the_log_is_the_same(
    home: Path, taken: Taken, log: CommitLog, restoring: Restoring
) -> None:
    readers = [open_for_reading(log.path, mapped=mapped) for mapped in (False, True)]
    try:
        for reader in readers:
            assert rows(reader, "SELECT * FROM blocks") == []
            assert offer(restoring, taken) is OfferVerdict.ACCEPT
        assert len(taken.chunks) > 5
        assert set(map(repr, apply_all(restoring, taken))) == {repr(ACCEPTED)}
        assert contents(log.path.parent) == contents(home)
        assert log.tip() == Tip(12, taken.app_hash.decode())
        for reader in readers:
            assert rows(reader, "SELECT count(*) FROM blocks") == [(12,)]
            sql = "SELECT count(*) FROM texts WHERE texts MATCH 'word'"
            assert rows(reader, sql) == [(1,)]
    finally:
        for reader in readers:
            reader.close()
    # And goes on.
    new_engine(store=log).block(encode(create(ALICE, data={"text": "fresh"})))
    sql = "SELECT count(*) FROM texts WHERE texts MATCH 'fresh'"
    assert rows(log.connection, sql) == [(1,)]
    log.close()
    assert verify(log.path, processes=1).findings == []


def test_processes_make_the_same(
    home: Path,
    taken: Taken,
    log: CommitLog,
    restoring: Restoring,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunk_readers, "WORTH_PROCESSES", 0)
    offer(restoring, taken)
    assert apply_all(restoring, taken)[-1] == ACCEPTED
    assert contents(log.path.parent) == contents(home)


def test_a_log_that_holds_it_already(
    taken: Taken, log: CommitLog, restoring: Restoring
) -> None:
    for _ in range(2):
        assert offer(restoring, taken) is OfferVerdict.ACCEPT
        assert apply_all(restoring, taken)[-1] == ACCEPTED
    assert log.tip() == Tip(12, taken.app_hash.decode())


def test_a_log_that_holds_the_beginning(
    home: Path, taken: Taken, log: CommitLog, restoring: Restoring
) -> None:
    write_varied(log, 7)
    assert offer(restoring, taken) is OfferVerdict.ACCEPT
    assert apply_all(restoring, taken)[-1] == ACCEPTED
    assert contents(log.path.parent) == contents(home)


def test_a_log_that_holds_something_else(
    taken: Taken, log: CommitLog, restoring: Restoring
) -> None:
    engine = new_engine(store=log)
    engine.block(encode(create(ALICE)))
    tip = log.tip()
    assert offer(restoring, taken) is OfferVerdict.ACCEPT
    answers = apply_all(restoring, taken)
    assert ChunkVerdict.REJECT_SNAPSHOT in [each.verdict for each in answers]
    assert log.tip() == tip


def test_a_log_that_holds_more(
    taken: Taken, log: CommitLog, caplog: pytest.LogCaptureFixture
) -> None:
    write_varied(log, 13)
    assert offer(Restoring(log), taken) is OfferVerdict.REJECT
    assert "move the data directory away" in caplog.text


def test_a_log_of_another_chain(taken: Taken, log: CommitLog) -> None:
    log.begin_chain(Chain("another", 1, "", 1, TIME, ()))
    assert offer(Restoring(log), taken) is OfferVerdict.REJECT


def refused(taken: Taken) -> Snapshot:
    """One that promises something else."""
    head = read_head(taken.snapshot)
    return describe(head._replace(app_hash="ab" * 32))


@pytest.mark.parametrize(
    "change, verdict",
    [
        (lambda it: it.snapshot._replace(format=2), OfferVerdict.REJECT_FORMAT),
        (lambda it: it.snapshot._replace(hash=b"x"), OfferVerdict.REJECT_SENDER),
        (refused, OfferVerdict.REJECT),
        (
            lambda it: describe(read_head(it.snapshot)._replace(size=1 << 60)),
            OfferVerdict.REJECT,
        ),
    ],
)
def test_offers_that_are_refused(
    taken: Taken,
    log: CommitLog,
    restoring: Restoring,
    change: Callable[[Taken], Snapshot],
    verdict: OfferVerdict,
) -> None:
    assert offer(restoring, taken._replace(snapshot=change(taken))) is verdict
    assert restoring.apply(0, taken.chunks[0], "peer") == ABORTED
    assert_nothing_left(log)


@pytest.mark.parametrize(
    "changes, verdict",
    [
        ({"chain_id": "another"}, OfferVerdict.REJECT),
        ({"time": TIME._replace(seconds=1)}, OfferVerdict.REJECT),
        ({"validators": GENESIS_FILE.validators[1:]}, OfferVerdict.REJECT),
        ({"validators": GENESIS_FILE.validators[::-1]}, OfferVerdict.ACCEPT),
        ({"signed": False}, OfferVerdict.ACCEPT),
        ({"initial_height": 0}, OfferVerdict.ABORT),
    ],
)
def test_the_genesis_file_counts(
    taken: Taken,
    log: CommitLog,
    restoring: Restoring,
    changes: dict[str, object],
    verdict: OfferVerdict,
) -> None:
    genesis = dataclasses.replace(GENESIS_FILE, **changes)  # type: ignore[arg-type]
    assert offer(restoring, taken, genesis) is verdict
    restoring.give_up()
    restoring.apply(0, taken.chunks[0], "")


def test_a_wrong_chunk_comes_again(
    home: Path, taken: Taken, log: CommitLog, restoring: Restoring
) -> None:
    offer(restoring, taken)
    for index, chunk in enumerate(taken.chunks):
        again = ApplyAnswer(ChunkVerdict.RETRY, (index,), ("liar",))
        assert restoring.apply(index, b"x" + chunk, "liar") == again
        assert restoring.apply(index, chunk, "peer") == ACCEPTED
    assert contents(log.path.parent) == contents(home)


def test_a_wrong_chunk_of_nobody(
    taken: Taken, log: CommitLog, restoring: Restoring
) -> None:
    offer(restoring, taken)
    again = ApplyAnswer(ChunkVerdict.RETRY, (0,), ())
    assert restoring.apply(0, b"", "") == again
    restoring.give_up()
    assert restoring.apply(0, taken.chunks[0], "") == ABORTED


def test_chunks_out_of_order(
    taken: Taken, log: CommitLog, restoring: Restoring
) -> None:
    offer(restoring, taken)
    assert restoring.apply(1, taken.chunks[1], "peer") == ApplyAnswer(
        ChunkVerdict.RETRY_SNAPSHOT
    )
    assert_nothing_left(log)


def test_an_offer_takes_the_place_of_another(
    taken: Taken, log: CommitLog, restoring: Restoring
) -> None:
    offer(restoring, taken)
    restoring.apply(0, taken.chunks[0], "peer")
    offer(restoring, taken)
    assert apply_all(restoring, taken)[-1] == ACCEPTED


def test_a_lie_is_found_at_the_end(
    taken: Taken, log: CommitLog, restoring: Restoring, caplog: pytest.LogCaptureFixture
) -> None:
    head = read_head(taken.snapshot)
    lie = head._replace(digests=head.digests[:-1])
    shorter = taken._replace(snapshot=describe(lie), chunks=taken.chunks[:-1])
    assert offer(restoring, shorter) is OfferVerdict.ACCEPT
    answer = apply_all(restoring, shorter)[-1]
    peers = [f"peer{index}" for index in range(len(shorter.chunks))]
    assert answer == ApplyAnswer(ChunkVerdict.REJECT_SNAPSHOT, (), peers)
    assert "is false" in caplog.text
    assert_nothing_left(log)


@settings(max_examples=40)
@given(st.data())
def test_edited_chunks_never_get_into_the_log(
    tmp_path_factory: pytest.TempPathFactory, taken: Taken, data: st.DataObject
) -> None:
    """Even if the snapshot promises them: the chain of app hashes does not."""
    index = data.draw(st.integers(0, len(taken.chunks) - 1))
    chunk = bytearray(zlib.decompress(taken.chunks[index]))
    place = data.draw(st.integers(0, len(chunk) - 1))
    change = data.draw(st.integers(1, 255))
    chunk[place] ^= change
    head = read_head(taken.snapshot)
    digests = list(head.digests)
    digests[index] = hashlib.sha256(chunk).digest()
    chunks = list(taken.chunks)
    chunks[index] = zlib.compress(bytes(chunk))
    snapshot = describe(head._replace(digests=digests))
    lie = Taken(snapshot, chunks, taken.app_hash)
    home = tmp_path_factory.mktemp("joining")
    with CommitLog.open(home) as log, closing(Restoring(log)) as restoring:
        assert offer(restoring, lie) is OfferVerdict.ACCEPT
        verdicts = [each.verdict for each in apply_all(restoring, lie)]
        if ChunkVerdict.REJECT_SNAPSHOT in verdicts:
            assert_nothing_left(log)
        else:
            # Times, refusals, and how transactions are written are not in the hash.
            assert set(verdicts) == {ChunkVerdict.ACCEPT}
            assert log.tip() == Tip(12, taken.app_hash.decode())
    shutil.rmtree(home)


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_no_room_for_a_file(
    taken: Taken,
    log: CommitLog,
    restoring: Restoring,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(restoring_room, "Arriving", fail)
        assert offer(restoring, taken) is OfferVerdict.ABORT
    assert "No space left" in caplog.text
    assert_nothing_left(log)


def test_the_disk_fills_up_meanwhile(
    taken: Taken,
    log: CommitLog,
    restoring: Restoring,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = Rebuilding.add

    def add(self: Rebuilding, found: ChunkRows) -> None:
        self.connection.execute("PRAGMA max_page_count = 1")
        real(self, found)

    monkeypatch.setattr(Rebuilding, "add", add)
    offer(restoring, taken)
    answers = apply_all(restoring, taken)
    assert ABORTED in answers and answers[-1] == ABORTED
    assert "disk is full" in caplog.text
    assert_nothing_left(log)


def test_the_disk_is_full_at_the_last_step(
    taken: Taken,
    log: CommitLog,
    restoring: Restoring,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def no_room(*_: object, **__: object) -> bool:
        raise LogOutOfSpace("restore", log.path, "full")

    offer(restoring, taken)
    with monkeypatch.context() as patch:
        patch.setattr(log, "take_over", no_room)
        assert apply_all(restoring, taken)[-1] == ABORTED
    assert "can't be restored" in caplog.text
    assert_nothing_left(log)


def test_a_log_that_was_replaced_ends_the_daemon(
    taken: Taken, log: CommitLog, restoring: Restoring
) -> None:
    offer(restoring, taken)
    log.path.rename(log.path.with_name("moved"))
    with pytest.raises(LogReplaced):
        apply_all(restoring, taken)


def test_giving_up_before(taken: Taken, log: CommitLog, restoring: Restoring) -> None:
    restoring.give_up()
    assert offer(restoring, taken) is OfferVerdict.ABORT
    assert_nothing_left(log)


def test_giving_up_while_it_takes_the_place(
    taken: Taken, log: CommitLog, restoring: Restoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(restoring, taken)
    real = log.take_over

    def take_over(other: apsw.Connection, *, stopping: Callable[[], bool]) -> bool:
        restoring.give_up()
        return real(other, stopping=stopping)

    monkeypatch.setattr(log, "take_over", take_over)
    assert apply_all(restoring, taken)[-1] == ABORTED
    assert_nothing_left(log)


def test_giving_up_in_another_thread(
    taken: Taken, log: CommitLog, restoring: Restoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_readers, "WORTH_PROCESSES", 0)
    offer(restoring, taken)
    answers: list[ApplyAnswer] = []
    thread = threading.Thread(
        target=lambda: answers.extend(apply_all(restoring, taken))
    )
    thread.start()
    restoring.give_up()
    thread.join()
    assert answers[-1] == ABORTED
    assert_nothing_left(log)


def test_what_a_killed_daemon_left_is_removed(
    log: CommitLog, restoring: Restoring
) -> None:
    left = log.path.with_name("restoring")
    left.mkdir()
    (left / FILE_NAME).write_bytes(b"half")
    Restoring(log)
    assert_nothing_left(log)


def test_a_line_says_that_it_is_restored(
    taken: Taken, log: CommitLog, restoring: Restoring, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    offer(restoring, taken)
    apply_all(restoring, taken)
    assert "the snapshot of height 12 is restored" in caplog.text
