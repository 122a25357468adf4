"""The rows that a chunk makes."""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.signing import create, encode, seal, transfer
from tests.ledger.chains import ALICE, BOB
from tests.voting import KEYS, election, vote
from trio_stream.log import chunk_rows
from trio_stream.log.chunk_rows import (
    BallotRow,
    BlockPart,
    ChunkRows,
    from_plain,
    plain,
    rows_of_chunk,
)
from trio_stream.log.rows import position_key
from trio_stream.log.snapshot_chunks import ChunkWriter, Start, whole
from trio_stream.log.snapshot_head import SnapshotError

MADE = create(ALICE, recipients=[(ALICE, 2), (BOB, 3)], data={"text": "blue bicycle"})
MOVED = transfer(MADE, BOB, output_index=1)


def read(write: Callable[[ChunkWriter], object]) -> ChunkRows:
    writer = ChunkWriter(7)
    write(writer)
    (chunk,) = writer.end()
    found = rows_of_chunk(chunk)
    assert from_plain(marshal.loads(marshal.dumps(plain(found)))) == found
    return found


def test_blocks_and_their_transactions() -> None:
    def write(writer: ChunkWriter) -> None:
        writer.add_block(1, 2)
        writer.add_transaction(encode(MADE))
        writer.add_refused(bytes(32), None, "DoubleSpend", "no")
        writer.add_transaction(encode(MOVED))
        writer.add_block(3, 4)

    found = read(write)
    assert (found.begin, found.end) == ((6, 0), (8, 0))
    ids = MADE["id"] + MOVED["id"]
    assert found.blocks == [
        BlockPart(7, (1, 2), ids, 2, 1),
        BlockPart(8, (3, 4), "", 0, 0),
    ]
    one, two, three = (position_key(7, index) for index in range(3))
    accepted = found.accepted
    transactions = [row[:-1] for row in accepted.transactions]
    assert transactions == [
        (one, MADE["id"], None, "CREATE"),
        (three, MOVED["id"], MADE["id"], "TRANSFER"),
    ]
    assert accepted.bodies == [(one, encode(MADE)), (three, encode(MOVED))]
    assert [row[:3] for row in accepted.outputs] == [
        (one, 0, 2),
        (one, 1, 3),
        (three, 0, 3),
    ]
    assert {row[0] for row in accepted.keys} == {ALICE.public, BOB.public}
    assert [row[0] for row in accepted.texts] == [one]
    assert accepted.spends == [(three, 1, MADE["id"])]
    assert found.refused == [(two, bytes(32), None, "DoubleSpend", "no")]
    assert found.ballots == []


def test_a_chunk_that_begins_within_a_block() -> None:
    found = rows_of_chunk(whole(Start(0, 7, 5), encode(MADE)))
    assert (found.begin, found.end) == ((7, 5), (7, 6))
    assert found.blocks == [BlockPart(7, None, MADE["id"], 1, 0)]


def test_elections_and_votes() -> None:
    opened = election()
    voted = vote(opened, KEYS[0])
    # What is voted about need not be an election, nor have an id.
    odd = seal({**voted, "asset": {"id": "x"}})

    def write(writer: ChunkWriter) -> None:
        writer.add_block(1, 2)
        for each in (opened, voted, odd):
            writer.add_transaction(encode(each))

    (output,) = voted["outputs"]
    votes = [(output["public_keys"], int(output["amount"]))]
    assert read(write).ballots == [
        BallotRow(7, opened["id"], None),
        BallotRow(7, opened["id"], votes),
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense",
        encode({**MADE, "id": "0" * 64}),
        encode(seal({"asset": {}})),
        encode(seal({key: value for key, value in MADE.items() if key != "metadata"})),
        encode(seal({**MADE, "operation": []})),
        encode(seal({**MADE, "outputs": [{"amount": "x"}]})),
    ],
)
def test_what_is_no_transaction(raw: bytes) -> None:
    with pytest.raises(SnapshotError):
        rows_of_chunk(whole(Start(0, 7, 0), raw))


def test_a_record_of_an_unknown_kind() -> None:
    with pytest.raises(SnapshotError, match="unknown kind"):
        rows_of_chunk(bytes(13) + b"X\0\0\0\0")


def test_a_block_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_rows, "MAX_TRANSACTIONS", 5)
    with pytest.raises(SnapshotError, match="too many"):
        rows_of_chunk(whole(Start(0, 7, 5), encode(MADE)))


@given(st.integers(0, 1_000), st.integers(1, 255), st.booleans())
def test_whatever_is_edited_is_read_or_refused(
    place: int, change: int, cut: bool
) -> None:
    writer = ChunkWriter(7)
    writer.add_block(1, 2)
    writer.add_transaction(encode(MADE))
    writer.add_refused(bytes(32), None, "DoubleSpend", "no")
    (chunk,) = writer.end()
    edited = bytearray(chunk)
    edited[place % len(chunk)] ^= change
    try:
        rows_of_chunk(bytes(edited[: place if cut else None]))
    except SnapshotError:
        pass


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(
        [
            "asset",
            "metadata",
            "operation",
            "inputs",
            "outputs",
            "public_keys",
            "amount",
            "details",
        ]
    ),
)
def test_whatever_a_liar_signs_is_read_or_refused(value: object, name: str) -> None:
    document = json.loads(json.dumps(MADE))
    output = document["outputs"][0]
    places = {
        "public_keys": output,
        "amount": output,
        "details": output["condition"],
    }
    places.get(name, document)[name] = value
    try:
        raw = encode(seal(document))
    except (ValueError, TypeError):
        return
    try:
        marshal.dumps(plain(rows_of_chunk(whole(Start(0, 7, 0), raw))))
    except SnapshotError:
        pass
