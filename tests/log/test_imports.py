"""Imports: a log from a record of a chain, or no log at all."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.signing import create, encode
from tests.history import assert_whole, commit_blocks
from tests.ledger.chains import ALICE, BOB, new_engine
from tests.log.tampering import written
from tests.reference_chain import TIP, commit_reference
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Chain, Continued
from trio_stream.log.digest import Digested, digest
from trio_stream.log.errors import (
    CannotImport,
    CommitLogError,
    LogExists,
    LogInUse,
    LogNotDirectory,
)
from trio_stream.log.export import export
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.imports import NEW_NAME, import_log
from trio_stream.log.verify import verify
from trio_stream.log.writer import CommitLog

Line = dict[str, Any]


def digest_of(path: Path) -> Digested:
    with closing(open_for_reading(path)) as connection:
        return digest(connection, path)


def dumped(path: Path) -> list[tuple[object, ...]]:
    """All rows of the log, in the order of tables and keys; not whether it was imported."""
    tables = (
        "chain moves validators blocks transactions bodies outputs keys refused tallies"
    )
    found: list[tuple[object, ...]] = []
    with closing(open_for_reading(path)) as connection:
        for table in [*tables.split(), "texts_docsize"]:
            found += connection.execute(f"SELECT * FROM {table}").fetchall()
    return [each for each in found if each[1:2] != (None,)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("original"), blocks=12)


@pytest.fixture(scope="module")
def file(original: Path) -> Path:
    target = original.with_name("export")
    export(original, target)
    return target


def left_in(home: Path) -> set[str]:
    return {each.name for each in home.iterdir()}


@pytest.mark.parametrize("signatures", [True, False])
def test_the_log_is_the_one_that_was_exported(
    tmp_path: Path, original: Path, file: Path, signatures: bool
) -> None:
    home = tmp_path / "new" / "home"
    seen: list[tuple[int, int]] = []
    made = import_log(
        file, home, signatures=signatures, progress=lambda *each: seen.append(each)
    )
    assert left_in(home) == {"lock", FILE_NAME}
    assert dumped(home / FILE_NAME) == dumped(original)
    assert made.digest == digest_of(original).digest
    assert (made.chain_id, made.first, made.height) == ("test-chain", 1, 12)
    assert seen[-1] == (made.transactions, made.transactions)
    assert assert_whole(home) == 12
    assert verify(home / FILE_NAME, processes=1).findings == []


def test_the_daemon_goes_on_from_there(tmp_path: Path, file: Path) -> None:
    import_log(file, tmp_path, same_chain=True)
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 3)
    assert assert_whole(tmp_path) == 15


def test_unless_told_otherwise_it_waits_for_another_chain(
    tmp_path: Path, file: Path
) -> None:
    import_log(file, tmp_path)
    with CommitLog.open(tmp_path) as log:
        assert log.is_imported()


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    """A log with which another chain went on after five blocks, and a third after two more."""
    with CommitLog.open(tmp_path / "moved") as log:
        commit_blocks(log, 5)
        for name, blocks in (("second", 2), ("third", 3)):
            go_on(log, name)
            engine = new_engine(store=log)
            for _ in range(blocks):
                engine.block(encode(create(BOB, data={"h": engine.next_height})))
        return log.path


def go_on(log: CommitLog, name: str) -> None:
    """Have a chain of this name continue the log."""
    tip = log.tip()
    assert tip is not None
    log.begin_chain(
        Chain(
            name,
            1,
            tip.app_hash,
            tip.height + 1,
            Time(5, 6),
            (),
            Continued(tip.height, tip.app_hash, log.digest(tip.height)),
        )
    )


def test_a_log_that_was_moved_is_the_same(tmp_path: Path, moved: Path) -> None:
    exported = export(moved, tmp_path / "export")
    made = import_log(tmp_path / "export", tmp_path / "new", same_chain=True)
    path = tmp_path / "new" / FILE_NAME
    assert dumped(path) == dumped(moved)
    assert made.digest == exported.digest == digest_of(path).digest
    assert verify(path, processes=1).findings == []
    again = export(path, tmp_path / "again")
    assert again == exported
    for height in (5, 6, 7):
        one, other = tmp_path / f"one{height}", tmp_path / f"other{height}"
        export(moved, one, height=height)
        import_log(one, other, same_chain=True)
        digests = digest_at(moved, height), digest_at(other / FILE_NAME, height)
        assert len({*digests}) == 1


def digest_at(path: Path, height: int) -> str:
    with closing(open_for_reading(path)) as connection:
        return digest(connection, path, height=height).digest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"digest": "0" * 64},
            "chain 'second' continues blocks with the digest 0{64}, but",
        ),
        ({"start_hash": ""}, "chain 'second' can't begin with app hash ''"),
        ({"rules": 2}, "follows rules 2"),
        ({"chain_id": "2nd"}, "'third' continues blocks with the digest"),
        ({"initial_height": 7}, "block 6 is not as it should be"),
    ],
)
def test_a_move_that_was_changed_makes_no_log(
    tmp_path: Path, moved: Path, change: Line, says: str
) -> None:
    export(moved, tmp_path / "export")

    def edit(lines: list[Line]) -> None:
        move = next(each["move"] for each in lines if "move" in each)
        move.update(change)

    source = changed(tmp_path / "export", tmp_path / "changed", edit)
    with pytest.raises(CannotImport, match=says):
        import_log(source, tmp_path / "home")


def test_elections_are_counted_again(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path / "reference") as log:
        commit_reference(log)
        path = log.path
        export(path, tmp_path / "export")
    made = import_log(tmp_path / "export", tmp_path / "new")
    assert dumped(tmp_path / "new" / FILE_NAME) == dumped(path)
    assert (made.height, made.digest) == (TIP, digest_of(path).digest)


@pytest.mark.parametrize("height", [1, 5, 11, 12])
def test_it_may_end_earlier(
    tmp_path: Path, original: Path, file: Path, height: int
) -> None:
    made = import_log(file, tmp_path, height=height)
    assert assert_whole(tmp_path) == made.height == height
    with closing(open_for_reading(original)) as connection:
        expected = digest(connection, original, height=height)
    assert made.digest == expected.digest


@pytest.mark.parametrize("height", [-1, 0, 13])
def test_there_must_be_such_a_block(tmp_path: Path, file: Path, height: int) -> None:
    with pytest.raises(CannotImport, match=f"has the blocks 1 to 12, not {height}"):
        import_log(file, tmp_path, height=height)
    assert left_in(tmp_path) == {"lock"}


def changed(file: Path, target: Path, change: Callable[[list[Line]], object]) -> Path:
    """An export whose lines somebody has changed, and whose hash is right nevertheless."""
    lines = [
        json.loads(each) for each in gzip.decompress(file.read_bytes()).splitlines()
    ]
    change(lines)
    out = b"".join(json.dumps(each).encode() + b"\n" for each in lines[:-1])
    lines[-1]["end"]["sha256"] = hashlib.sha256(out).hexdigest()
    target.write_bytes(gzip.compress(out + json.dumps(lines[-1]).encode() + b"\n"))
    return target


def first_body(lines: list[Line]) -> Line:
    return next(each for each in lines if "accepted" in each)


def edit_body(lines: list[Line]) -> None:
    line = first_body(lines)
    line["accepted"] = line["accepted"].replace('"amount": "1"', '"amount": "3"')


def add_body(lines: list[Line]) -> None:
    lines[1]["block"]["accepted"] += 1
    lines.insert(2, {"accepted": encode(create(BOB)).decode()})
    lines[0]["transactions"] += 1


def forge_body(lines: list[Line]) -> None:
    lines[1]["block"]["accepted"] += 1
    document = create(BOB)
    document["metadata"] = {"a": 1}
    lines.insert(2, {"accepted": encode(document).decode()})
    lines[0]["transactions"] += 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            edit_body,
            r"block 1: transaction 0 \([0-9a-f]{64}\) is not valid: InvalidHash",
        ),
        (add_body, "block 1: its app hash is .*, but what it holds makes"),
        (forge_body, "block 1: transaction 0 .* is not valid: InvalidHash"),
        (
            lambda lines: lines[-1]["end"].update(digest="0" * 64),
            "digest .*, and it says 0{64}",
        ),
        (
            lambda lines: lines[0]["chain"].update(rules=2),
            "follows rules 2, ours are 1",
        ),
        (
            lambda lines: lines[0]["chain"].update(start_hash="x"),
            "can't begin with app hash 'x'",
        ),
        (lambda lines: lines[0]["chain"].update(chain_id="other"), "the digest"),
        (
            lambda lines: lines.insert(1, lines.pop(-2)),
            "block 1 is not as it should be",
        ),
    ],
)
def test_a_file_that_was_changed_makes_no_log(
    tmp_path: Path, file: Path, change: Callable[[list[Line]], object], says: str
) -> None:
    source = changed(file, tmp_path / "changed", change)
    with pytest.raises(CannotImport, match=says) as caught:
        import_log(source, tmp_path / "home")
    assert f"cannot import {source}: " in str(caught.value)
    assert left_in(tmp_path / "home") == {"lock"}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=50,
    deadline=None,
)
@given(st.data())
def test_a_damaged_file_makes_no_log(
    tmp_path: Path, file: Path, data: st.DataObject
) -> None:
    packed = file.read_bytes()
    at = data.draw(st.integers(10, len(packed) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = packed[:at] + bytes([packed[at] ^ (1 << bit)]) + packed[at + 1 :]
    source, home = tmp_path / "damaged", tmp_path / "home"
    source.write_bytes(data.draw(st.sampled_from([flipped, packed[:at]])))
    with pytest.raises(CannotImport):
        import_log(source, home)
    assert left_in(home) == {"lock"}


def test_no_log_is_written_over(tmp_path: Path, file: Path) -> None:
    path = written(tmp_path, blocks=2)
    before = path.read_bytes()
    with pytest.raises(LogExists, match=f"{FILE_NAME} is a log"):
        import_log(file, tmp_path)
    assert path.read_bytes() == before


def test_a_daemon_keeps_its_directory(tmp_path: Path, file: Path) -> None:
    with CommitLog.open(tmp_path), pytest.raises(LogInUse):
        import_log(file, tmp_path)


def test_a_source_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(CommitLogError, match="cannot read .*No such file"):
        import_log(tmp_path / "missing", tmp_path / "home")


def test_a_home_must_be_a_directory(tmp_path: Path, file: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(LogNotDirectory):
        import_log(file, tmp_path / "home")


def test_what_an_earlier_attempt_left_goes(tmp_path: Path, file: Path) -> None:
    (tmp_path / NEW_NAME).write_bytes(b"half a log")
    (tmp_path / f"{NEW_NAME}-journal").write_bytes(b"and its journal")
    import_log(file, tmp_path)
    assert left_in(tmp_path) == {"lock", FILE_NAME}


def test_the_log_is_for_those_whose_directory_it_is(tmp_path: Path, file: Path) -> None:
    import_log(file, tmp_path)
    found = (tmp_path / FILE_NAME).stat()
    assert found.st_uid == tmp_path.stat().st_uid
    assert stat.S_ISREG(found.st_mode)


def test_an_interrupt_leaves_nothing(tmp_path: Path, file: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert NEW_NAME in left_in(tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_log(file, tmp_path, progress=interrupt)
    assert left_in(tmp_path) == {"lock"}


@pytest.mark.slow
def test_a_kill_leaves_no_log_and_the_next_attempt_is_whole(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path / "original") as log:
        engine = new_engine(store=log)
        for block in range(20):
            engine.block(
                *[encode(create(ALICE, data={"n": [block, n]})) for n in range(50)]
            )
        made = export(log.path, tmp_path / "export")
    home = tmp_path / "home"
    command = [sys.executable, "-m", "trio_stream", "import", "--home", str(home)]
    kills = 0
    # It may be over before it is looked at; seldom, but again and again.
    for size in (1, 300_000, 1_000_000, *[1] * 50):
        if size == 1 and kills:
            break
        process = subprocess.Popen([*command, str(tmp_path / "export")])
        new = home / NEW_NAME
        while process.poll() is None:
            if new.exists() and os.path.getsize(new) >= size:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
        kills += process.wait(60) == -signal.SIGKILL
        if process.returncode == -signal.SIGKILL:
            assert not (home / FILE_NAME).exists()
            assert left_in(home) <= {"lock", NEW_NAME, f"{NEW_NAME}-journal"}
        else:
            (home / FILE_NAME).unlink()
    assert kills
    assert import_log(tmp_path / "export", home).digest == made.digest
    assert left_in(home) == {"lock", FILE_NAME}
    assert verify(home / FILE_NAME, processes=1).findings == []
