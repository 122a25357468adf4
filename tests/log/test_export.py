"""Exports: a file that was not there, made while the log is written to."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
from pathlib import Path

import pytest

from tests import manual
from tests.history import app_hash_of, commit_blocks, txs_of
from tests.log.tampering import tamper, written
from tests.reference_chain import commit_reference
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Block, Chain, Continued, RefusedTransaction
from trio_stream.log.digest import digest
from trio_stream.log.errors import (
    LogDamaged,
    LogExists,
    LogMissing,
    NoSuchBlock,
)
from trio_stream.log.export import export
from trio_stream.log.export_file import ExportFile
from trio_stream.log.file import FILE_NAME
from trio_stream.log.writer import CommitLog


def test_it_holds_what_the_log_holds_when_it_begins(tmp_path: Path) -> None:
    target = tmp_path / "export"
    seen: list[tuple[int, int]] = []
    with CommitLog.open(tmp_path / "home") as log:
        commit_blocks(log, 7)
        found = digest(log.connection, log.path)

        def progress(done: int, total: int) -> None:
            seen.append((done, total))
            commit_blocks(log, 1)

        made = export(log.path, target, progress=progress)
        assert log.tip().height == 14
    assert (made.chain_id, made.first, made.height) == ("test-chain", 1, 7)
    assert (made.digest, made.transactions) == (found.digest, found.transactions)
    assert made.size == target.stat().st_size
    assert seen == sorted(seen)
    assert seen[-1] == (made.transactions, made.transactions)
    record = ExportFile(target)
    for block in record.blocks():
        assert block.app_hash == app_hash_of(block.height)
        for tx, each in zip(txs_of(block.height), block.transactions, strict=True):
            assert tx == each or isinstance(each, RefusedTransaction)
    assert record.digest == made.digest
    record.close()


def test_equal_logs_make_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        export(written(tmp_path / name), tmp_path / f"{name}.export")
    first = (tmp_path / "a.export").read_bytes()
    assert first == (tmp_path / "b.export").read_bytes()
    assert gzip.decompress(first).startswith(b'{"trio_stream_export":1,')


def test_it_may_end_earlier(tmp_path: Path) -> None:
    path = written(tmp_path / "long", blocks=9)
    made = export(path, tmp_path / "cut", height=4)
    short = written(tmp_path / "short", blocks=4)
    export(short, tmp_path / "whole")
    assert made.height == 4
    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()
    with pytest.raises(NoSuchBlock):
        export(path, tmp_path / "beyond", height=10)
    assert not (tmp_path / "beyond").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    path, target = written(tmp_path), tmp_path / "export"
    target.symlink_to("nowhere")
    with pytest.raises(LogExists, match="there is such a file"):
        export(path, target)


def test_a_file_that_has_appeared_meanwhile_stays(tmp_path: Path) -> None:
    path, target = written(tmp_path / "home"), tmp_path / "export"

    def progress(done: int, total: int) -> None:
        target.write_text("another one")

    with pytest.raises(LogExists, match="there is such a file"):
        export(path, target, progress=progress)
    assert target.read_text() == "another one"
    assert {each.name for each in tmp_path.iterdir()} == {"home", "export"}


def test_a_file_system_need_not_have_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*args: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    path, target = written(tmp_path / "home"), tmp_path / "export"
    made = export(path, target)
    assert made.size == target.stat().st_size
    assert {each.name for each in tmp_path.iterdir()} == {"home", "export"}


def test_there_must_be_a_log(tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        export(tmp_path / FILE_NAME, tmp_path / "export")


def test_there_must_be_a_directory(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot write .*No such file"):
        export(written(tmp_path), tmp_path / "missing" / "export")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE refused SET position = position + 1000", "have gaps"),
        ("DELETE FROM bodies WHERE position >> 26 = 7", "block 7 does not hold"),
        (
            "UPDATE bodies SET raw = x'ff' WHERE position >> 26 = 7",
            "block 7 is not UTF",
        ),
    ],
)
def test_a_damaged_log_leaves_no_file(tmp_path: Path, sql: str, says: str) -> None:
    path = written(tmp_path / "home")
    tamper(path, sql)
    with pytest.raises(LogDamaged, match=says):
        export(path, tmp_path / "export")
    assert [each.name for each in tmp_path.iterdir()] == ["home"]


def test_the_manual_shows_what_is_written_and_digested(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_reference(log)
        tip = log.tip()
        assert tip is not None
        end = Continued(*tip, log.digest(tip.height))
        first, time = tip.height + 1, Time(0, 0)
        log.begin_chain(Chain("next", 1, tip.app_hash, first, time, (), end))
        log.append(Block(first, time, tip.app_hash, [], []))
    export(log.path, tmp_path / "export")
    written = [
        json.loads(line)
        for line in gzip.decompress((tmp_path / "export").read_bytes()).splitlines()
    ]
    texts = manual.blocks("text", manual.PAGES["moving"])
    said, shown, shown_move, head, block, move = texts[-6:]
    assert re.fullmatch(r"height: \d+\ndigest: [0-9a-f]{64}\n", said)
    lines = (shown + shown_move).replace(",\n", ",").splitlines()
    assert {names(line) for line in lines} - {()} == {
        names_of(each) for each in written
    }
    chain = written[0]["chain"]
    assert names(move) == names(head)[:-1]
    assert names(head) == tuple(sorted(chain.keys() - {"genesis_time"}))
    assert names(block) == (
        "app_hash",
        "height",
        "tallies",
        "transactions",
        "validators",
    )


def names(text: str) -> tuple[str, ...]:
    """The names of members, in order."""
    return tuple(re.findall(r'"(\w+)":', text))


def names_of(value: object) -> tuple[str, ...]:
    """The same of a value."""
    if not isinstance(value, dict):
        return ()
    found: list[str] = []
    for name, member in value.items():
        found += [name, *names_of(member)]
    return tuple(found)
