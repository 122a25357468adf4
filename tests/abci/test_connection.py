"""A connection: bytes in, requests out, answers back in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.abci.engine_side import DIALECTS, AnswerReader, Dialect, encode_request
from tests.abci.test_requests import expected
from tests.abci.vectors import NEVER_FIRST, REQUESTS, Vector
from trio_stream.abci import messages as m
from trio_stream.abci.connection import (
    LARGE_BYTES,
    VERDICT_DELAY_SECONDS,
    AbciConnection,
    LocalProtocolError,
    RemoteProtocolError,
    is_much,
)

LIMIT = 100_000
KEY = bytes(range(32))
TIME = m.Time(1, 0)
each_dialect = pytest.mark.parametrize(
    "dialect", DIALECTS.values(), ids=lambda each: each.name
)


def opened(dialect: Dialect) -> AbciConnection:
    """A connection that knows its codec, as after an engine's first Flush."""
    connection = AbciConnection(frame_limit=LIMIT)
    connection.receive_data(encode_request(m.Flush(), dialect))
    (flush,) = connection.next_requests()
    connection.send(flush, m.Done())
    return connection


def requests_of(connection: AbciConnection) -> Iterator[m.Request]:
    while requests := connection.next_requests():
        yield from requests


@pytest.mark.parametrize("vector", REQUESTS, ids=str)
def test_a_recorded_request_arrives_whole(vector: Vector) -> None:
    connection = opened(DIALECTS[vector.dialect])

    connection.receive_data(vector.data)

    assert list(requests_of(connection)) == [expected(vector)]


@pytest.mark.parametrize("vector", REQUESTS, ids=str)
def test_a_recorded_request_arrives_byte_by_byte(vector: Vector) -> None:
    if (vector.dialect, vector.kind) in NEVER_FIRST:
        connection = opened(DIALECTS[vector.dialect])
    else:
        connection = AbciConnection(frame_limit=LIMIT)
    for byte in vector.data[:-1]:
        connection.receive_data(bytes([byte]))
        assert connection.next_requests() == []

    connection.receive_data(vector.data[-1:])

    assert connection.next_requests() == [expected(vector)]
    assert connection.codec is DIALECTS[vector.dialect].codec


@pytest.mark.parametrize("vector", REQUESTS, ids=str)
def test_a_recorded_request_with_more_behind_it(vector: Vector) -> None:
    dialect = DIALECTS[vector.dialect]
    connection = opened(dialect)
    flush = encode_request(m.Flush(), dialect)

    connection.receive_data(vector.data + flush + vector.data[:-1])

    assert list(requests_of(connection)) == [expected(vector), m.Flush()]
    connection.receive_data(vector.data[-1:])
    assert connection.next_requests() == [expected(vector)]


@each_dialect
def test_info_names_the_dialect(dialect: Dialect) -> None:
    connection = opened(dialect)

    assert connection.dialect == dialect.codec.value
    connection.receive_data(encode_request(dialect.info, dialect))
    connection.next_requests()

    assert connection.dialect == dialect.name


def test_nothing_is_known_before_the_first_message() -> None:
    connection = AbciConnection(frame_limit=LIMIT)

    assert connection.codec is None
    assert connection.dialect == "unknown"


@each_dialect
def test_the_hash_travels_once(dialect: Dialect) -> None:
    connection = opened(dialect)
    reader = AnswerReader(dialect.codec.framing)
    block: list[tuple[m.Request, m.Answer]] = [
        (m.BeginBlock("c", 1, TIME), m.Done()),
        (m.EndBlock(1), m.EndBlockAnswer()),
    ]
    if dialect.finalizes:
        finalize = m.FinalizeBlock((), 1, TIME)
        block = [(finalize, m.FinalizeBlockAnswer((), b"hash"))]

    for request, answer in [*block, (m.Commit(), m.CommitAnswer(b"hash"))]:
        connection.receive_data(encode_request(request, dialect))
        (received,) = connection.next_requests()
        reader.feed(connection.send(received, answer))

    kinds = dict(iter(reader.next_answer, None))
    if dialect.finalizes:
        assert kinds["finalize_block"] == m.FinalizeBlockAnswer((), b"hash")
        assert kinds["commit"] == m.CommitAnswer(b"")
    else:
        assert kinds["commit"] == m.CommitAnswer(b"hash")


@each_dialect
def test_validator_changes_have_the_dialects_shape(dialect: Dialect) -> None:
    # A new connection each time: the consensus connection never sees Info.
    connection = AbciConnection(frame_limit=LIMIT)
    updates = (m.ValidatorUpdate("ed25519", KEY, 5),)
    request: m.Request = m.EndBlock(1)
    answer: m.Answer = m.EndBlockAnswer(updates)
    if dialect.finalizes:
        request = m.FinalizeBlock((), 1, TIME)
        answer = m.FinalizeBlockAnswer((), b"hash", updates)
    flush = encode_request(m.Flush(), dialect)
    connection.receive_data(flush + encode_request(request, dialect))
    flushed, received = connection.next_requests()
    connection.send(flushed, m.Done())

    written = connection.send(received, answer)

    shape = {"T31": b"ed25519\x12", "T32": b"ed25519\x12", "T33": b"ed25519\x12"}
    if dialect.name == "C10":
        assert b"\x1a\x20" + KEY + b"\x22\x07ed25519" in written
    else:
        assert shape.get(dialect.name, b"\x0a\x22\x0a") + b"\x20" + KEY in written


def test_begin_block_brings_the_hash_back_into_commit() -> None:
    dialect = DIALECTS["C37"]
    connection = opened(dialect)
    order: list[tuple[m.Request, m.Answer]] = [
        (m.FinalizeBlock((), 1, TIME), m.FinalizeBlockAnswer((), b"hash")),
        (m.BeginBlock("c", 1, TIME), m.Done()),
    ]
    for request, answer in order:
        connection.receive_data(encode_request(request, dialect))
        (received,) = connection.next_requests()
        connection.send(received, answer)

    connection.receive_data(encode_request(m.Commit(), dialect))
    (commit,) = connection.next_requests()

    assert b"hash" in connection.send(commit, m.CommitAnswer(b"hash"))


def test_answers_must_follow_the_order_of_the_requests() -> None:
    dialect = DIALECTS["T34"]
    connection = opened(dialect)
    sent = [m.CheckTx(b"1"), m.CheckTx(b"2")]
    connection.receive_data(b"".join(encode_request(each, dialect) for each in sent))
    first, second = connection.next_requests()

    with pytest.raises(LocalProtocolError):
        connection.send(second, m.TxResult(0))
    connection.send(first, m.TxResult(0))
    connection.send(second, m.TxResult(0))
    with pytest.raises(LocalProtocolError):
        connection.send(second, m.TxResult(0))


def test_requests_before_garbage_are_returned_first() -> None:
    dialect = DIALECTS["C38"]
    connection = opened(dialect)
    connection.receive_data(encode_request(m.Echo("x"), dialect) + b"\x00")

    assert connection.next_requests() == [m.Echo("x")]
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            connection.next_requests()


def test_the_stream_may_end_between_messages() -> None:
    connection = opened(DIALECTS["C38"])

    connection.receive_data(b"")

    assert connection.next_requests() == []


@each_dialect
def test_the_stream_may_not_end_inside_a_message(dialect: Dialect) -> None:
    connection = AbciConnection(frame_limit=LIMIT)

    connection.receive_data(encode_request(dialect.info, dialect)[:-1])
    connection.receive_data(b"")

    with pytest.raises(RemoteProtocolError, match="inside"):
        connection.next_requests()


def test_a_request_over_the_limit_is_refused() -> None:
    dialect = DIALECTS["C38"]
    connection = AbciConnection(frame_limit=100)
    connection.receive_data(encode_request(m.CheckTx(bytes(100)), dialect)[:9])

    with pytest.raises(RemoteProtocolError, match="limit"):
        connection.next_requests()


@given(st.lists(st.binary(max_size=60)))
def test_random_bytes_break_the_protocol_and_nothing_else(pieces: list[bytes]) -> None:
    connection = AbciConnection(frame_limit=LIMIT)
    try:
        for piece in pieces:
            connection.receive_data(piece)
            while connection.next_requests():
                pass
    except RemoteProtocolError:
        pass


@given(
    st.sampled_from(REQUESTS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    st.sampled_from(REQUESTS),
)
def test_damaged_messages_break_the_protocol_and_nothing_else(
    first: Vector, damage: list[tuple[int, int]], second: Vector
) -> None:
    data = bytearray(first.data + second.data)
    for position, value in damage:
        data[position % len(data)] = value
    connection = AbciConnection(frame_limit=LIMIT)
    connection.receive_data(data)
    connection.receive_data(b"")
    try:
        while connection.next_requests():
            pass
    except RemoteProtocolError:
        pass


@each_dialect
@given(st.lists(st.binary(max_size=100), min_size=1, max_size=5))
def test_no_transaction_can_forge_the_codec(dialect: Dialect, txs: list[bytes]) -> None:
    connection = AbciConnection(frame_limit=LIMIT)
    sent = [m.CheckTx(tx) for tx in txs]

    connection.receive_data(b"".join(encode_request(each, dialect) for each in sent))

    assert connection.next_requests() == sent
    assert connection.codec is dialect.codec


@each_dialect
def test_queries_are_closed_before_blocks_if_an_engine_exits_because_of_that(
    dialect: Dialect,
) -> None:
    silent = AbciConnection(frame_limit=LIMIT)
    queries = opened(dialect)
    queries.receive_data(encode_request(dialect.info, dialect))
    queries.next_requests()
    work = opened(dialect)

    assert not silent.closes_last
    assert not queries.closes_last
    assert work.closes_last == (dialect.name not in ("T31", "T32", "T33"))


def test_a_large_message_is_much_work_to_decode_and_a_large_block_to_answer() -> None:
    dialect = DIALECTS["C38"]
    connection = opened(dialect)
    large = m.FinalizeBlock((bytes(LARGE_BYTES + 1),), 1, m.Time(0, 0))
    data = encode_request(large, dialect)
    limited = AbciConnection(frame_limit=len(data))
    limited.receive_data(data[:-1])
    assert not limited.next_requests() and not limited.has_much
    limited.receive_data(data[-1:])
    assert limited.has_much
    assert limited.next_requests() == [large]
    assert not limited.has_much and not connection.has_much
    assert is_much([large])
    assert is_much([m.PrepareProposal(1, (b"",) * 501)])
    assert not is_much([m.FinalizeBlock((b"",), 1, m.Time(0, 0)), m.Flush()])


@each_dialect
def test_only_an_old_engine_gets_its_verdicts_after_a_pause(dialect: Dialect) -> None:
    connection = opened(dialect)
    pause = VERDICT_DELAY_SECONDS if dialect.is_old else 0
    assert connection.delay_before_answers([m.CheckTx(b"a")]) == pause
    assert connection.delay_before_answers([m.Flush()]) == 0
    assert connection.unfinished == 0
