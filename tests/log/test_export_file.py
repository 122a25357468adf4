"""The file of an export: what is written is read again, and anything else is named."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Chain, Continued, RefusedTransaction
from trio_stream.ledger.recorded import NotAsRecorded, RecordedBlock
from trio_stream.log import export_file
from trio_stream.log.export_file import ExportFile
from trio_stream.log.export_lines import Lines
from trio_stream.transactions.elections import Validator

CHAIN = Chain(
    "chäin", 1, "", 5, Time(-1, 999_999_999), (Validator("ed25519", b"\x07" * 32, 3),)
)
REFUSED = RefusedTransaction(1, b"\x01" * 32, None, "DoubleSpend", 'a "reason"')
BLOCKS = [
    RecordedBlock(5, Time(1, 2), "", []),
    RecordedBlock(6, Time(3, 4), "h6", [b'{"id": "\\u00e9 \xc3\xa9"}', REFUSED, b"[]"]),
    RecordedBlock(7, Time(3, 4), "h7", [b"{}"]),
]
MOVE = Chain("next", 1, "h6", 7, Time(5, 6), (), Continued(6, "h6", "0" * 64))
MOVED = [*BLOCKS[:2], BLOCKS[2]._replace(begins=MOVE)]

Line = dict[str, Any]


def lines_of(chain: Chain, blocks: list[RecordedBlock]) -> bytes:
    out = io.BytesIO()
    lines = Lines(out.write)
    count = sum(isinstance(tx, bytes) for each in blocks for tx in each.transactions)
    lines.chain(chain, blocks[-1].height, count)
    for block in blocks:
        lines.block(block)
    lines.end("d" * 64)
    return out.getvalue()


WRITTEN = lines_of(CHAIN, BLOCKS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "export"


def read(file: Path) -> tuple[Chain, list[RecordedBlock], str]:
    record = ExportFile(file)
    try:
        assert record.digest == ""
        blocks = list(record.blocks())
        record.compare(object())
        return record.chain, blocks, record.digest
    finally:
        record.close()


def test_what_is_written_is_read_again(file: Path) -> None:
    file.write_bytes(gzip.compress(WRITTEN))
    assert read(file) == (CHAIN, BLOCKS, "d" * 64)


def test_a_chain_that_goes_on_is_read_again(file: Path) -> None:
    file.write_bytes(gzip.compress(lines_of(CHAIN, MOVED)))
    assert read(file) == (CHAIN, MOVED, "d" * 64)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"digest": 5}, "block 7 is not as it should be"),
        ({"initial_height": 8}, "block 7 is not as it should be"),
        ({"chain_id": None}, "block 7 is not as it should be"),
        (None, "block 7 is not as it should be"),
    ],
)
def test_a_chain_that_cannot_go_on_is_named(
    file: Path, change: Line | None, says: str
) -> None:
    lines = [json.loads(line) for line in lines_of(CHAIN, MOVED).splitlines()]
    move = next(line for line in lines if "move" in line)
    move.update(move={**move["move"], **change} if change else 5)
    file.write_bytes(
        gzip.compress(b"".join(json.dumps(x).encode() + b"\n" for x in lines))
    )
    with pytest.raises(NotAsRecorded, match=says):
        read(file)


def test_no_chain_goes_on_with_nothing(file: Path) -> None:
    begins = replace(MOVE, initial_height=5)
    blocks = [BLOCKS[0]._replace(begins=begins), *BLOCKS[1:]]
    file.write_bytes(gzip.compress(lines_of(CHAIN, blocks)))
    with pytest.raises(NotAsRecorded, match="block 5 is not as it should be"):
        read(file)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
hashes = st.binary(min_size=32, max_size=32)
refusals = st.builds(
    RefusedTransaction,
    st.just(0),
    hashes,
    st.none() | hashes.map(bytes.hex),
    text,
    text,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(text.map(str.encode) | refusals, max_size=4), min_size=1),
    text,
)
def test_any_text_comes_through(
    tmp_path: Path, contents: list[list[Any]], chain_id: str
) -> None:
    chain = Chain(chain_id, 1, "", 1, Time(0, 0), ())
    blocks = [
        RecordedBlock(
            height,
            Time(0, 0),
            "",
            [
                (
                    each
                    if isinstance(each, bytes)
                    else RefusedTransaction(index, *_members(each))
                )
                for index, each in enumerate(contents)
            ],
        )
        for height, contents in enumerate(contents, start=1)
    ]
    file = tmp_path / "any"
    file.write_bytes(gzip.compress(lines_of(chain, blocks)))
    assert read(file)[:2] == (chain, blocks)


def _members(each: RefusedTransaction) -> tuple[Any, ...]:
    return each.sha256, each.transaction_id, each.error, each.reason


def changed(number: int, change: Callable[[Line], object]) -> bytes:
    """The lines, one of them changed, and their hash as if they had been written so."""
    lines = [json.loads(line) for line in WRITTEN.splitlines()]
    change(lines[number])
    out = b"".join(json.dumps(line).encode() + b"\n" for line in lines[:-1])
    if number != len(lines) - 1:
        lines[-1]["end"]["sha256"] = hashlib.sha256(out).hexdigest()
    return out + json.dumps(lines[-1]).encode() + b"\n"


def test_the_lines_may_be_written_otherwise(file: Path) -> None:
    file.write_bytes(gzip.compress(changed(0, lambda line: None)))
    assert read(file)[1] == BLOCKS


@pytest.mark.parametrize(
    ("number", "change", "says"),
    [
        (
            0,
            lambda line: line.pop("trio_stream_export"),
            "not an export of trio-stream",
        ),
        (
            0,
            lambda line: line.update(trio_stream_export=2),
            "has format 2, this release",
        ),
        (0, lambda line: line.pop("height"), "its first line is not as it should be"),
        (0, lambda line: line.update(height=4), "its first line is not"),
        (0, lambda line: line.update(height=True), "its first line is not"),
        (0, lambda line: line.update(height=6), "its end is not as it should be"),
        (0, lambda line: line.update(height=8), "block 8 is not as it should be"),
        (
            0,
            lambda line: line.update(transactions=4),
            "has 3 transactions, and says .* 4",
        ),
        (
            0,
            lambda line: line["chain"].update(initial_height=0),
            "its first line is not",
        ),
        (0, lambda line: line["chain"].update(initial_height=6), "block 6 is missing"),
        (
            0,
            lambda line: line["chain"].update(chain_id="\ud800"),
            "its first line is not",
        ),
        (
            0,
            lambda line: line["chain"]["validators"].append([1]),
            "its first line is not",
        ),
        (
            0,
            lambda line: line["chain"].update(genesis_time=[1]),
            "its first line is not",
        ),
        (1, lambda line: line["block"].update(height=6), "block 5 is missing: block 6"),
        (
            1,
            lambda line: line["block"].update(accepted=1),
            "block 5, transaction 0 is not",
        ),
        (2, lambda line: line["block"].update(refused=0), "block 6 counts its"),
        (
            2,
            lambda line: line["block"].update(refused=-1),
            "block 6 is not as it should",
        ),
        (2, lambda line: line["block"].update(refused=1 << 40), "block 6 has too many"),
        (
            2,
            lambda line: line["block"].update(app_hash=None),
            "block 6 is not as it should",
        ),
        (3, lambda line: line.update(accepted=5), "block 6, transaction 0 is not"),
        (
            4,
            lambda line: line.update(refused=["no hex", None, "", ""]),
            "transaction 1 is",
        ),
        (4, lambda line: line.update(refused=["00", 5, "", ""]), "transaction 1 is"),
        (
            4,
            lambda line: line.update(refused=["00" * 31, None, "", ""]),
            "transaction 1 is",
        ),
        (
            4,
            lambda line: line.update(refused=["00" * 32, "an id", "", ""]),
            "transaction 1 is",
        ),
        (
            4,
            lambda line: line.update(refused=["00" * 32, None, "", "x" * 301]),
            "transaction 1 is",
        ),
        (
            1,
            lambda line: line["block"].update(time=[1, 1_000_000_000]),
            "block 5 is not as it should",
        ),
        (0, lambda line: line.update(trio_stream_export=True), "has format True"),
        (-1, lambda line: line["end"].update(digest=""), "its end is not as it should"),
        (-1, lambda line: line.update(end=5), "its end is not as it should be"),
        (-1, lambda line: line["end"].update(sha256="00"), "was changed after it was"),
    ],
)
def test_what_is_wrong_is_named(
    file: Path, number: int, change: Callable[[Line], object], says: str
) -> None:
    number %= len(WRITTEN.splitlines())
    file.write_bytes(gzip.compress(changed(number, change)))
    with pytest.raises(NotAsRecorded, match=says):
        read(file)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (b"", "it ends before its first line"),
        (b"nothing", "its first line can't be read"),
        (b"[]", "its first line can't be read"),
        (b"[" * 100_000, "its first line can't be read"),
        (WRITTEN + b"{}", "it goes on after its end"),
        (WRITTEN.replace(b"chain", b"Chain", 1), "its first line is not"),
        (WRITTEN.replace(b"h7", b"h8"), "was changed after it was written"),
        (WRITTEN[: WRITTEN.index(b"h7")], "block 7 can't be read"),
        (WRITTEN[: WRITTEN.index(b'{"end')], "it ends before its end"),
    ],
)
def test_lines_that_nobody_wrote_are_named(file: Path, lines: bytes, says: str) -> None:
    file.write_bytes(gzip.compress(lines))
    with pytest.raises(NotAsRecorded, match=says):
        read(file)


def test_wherever_it_is_cut_off_it_is_not_whole(file: Path) -> None:
    packed = gzip.compress(WRITTEN)
    for end in range(len(packed)):
        file.write_bytes(packed[:end])
        with pytest.raises(NotAsRecorded):
            read(file)


def test_whichever_bit_is_wrong_it_is_not_what_was_written(file: Path) -> None:
    packed = gzip.compress(WRITTEN)
    for at in range(10, len(packed)):
        file.write_bytes(packed[:at] + bytes([packed[at] ^ 4]) + packed[at + 1 :])
        with pytest.raises(NotAsRecorded):
            read(file)


def test_other_files_are_not_taken_for_exports(file: Path) -> None:
    file.write_bytes(b"SQLite format 3")
    with pytest.raises(NotAsRecorded, match="Not a gzipped file"):
        read(file)


def test_nothing_endless_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(gzip.compress(WRITTEN))
    monkeypatch.setattr(export_file, "MAX_BLOCK", 30)
    with pytest.raises(NotAsRecorded, match="block 6 is larger than 30 bytes"):
        read(file)
    monkeypatch.setattr(export_file, "MAX_LINE", 100)
    with pytest.raises(NotAsRecorded, match="its first line is longer than 100 bytes"):
        read(file)
