from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cometbft.recordings import (
    ALL,
    RELEASES,
    SDK,
    at,
    body,
    busy,
    line,
    recording,
)
from trio_stream.cometbft import envelope, errors, gradual
from trio_stream.cometbft.envelope import (
    MAX_BODY,
    MAX_TEXT,
    MAX_VALUES,
    answer,
    answers,
)
from trio_stream.cometbft.errors import BadBody, Malformed, NotJson, Refusal, Truncated

HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>"
LIMITED = (
    b'{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request",'
    b'"data":"batch request exceeds maximum (10) allowed number of requests"}}'
)


def test_one_call() -> None:
    assert answer(b'{"jsonrpc":"2.0","id":-1,"result":{"height":"1"}}') == {
        "height": "1"
    }
    assert answer(b' \n{"result":[],"error":null}') == []


def test_a_refusal_is_raised() -> None:
    with pytest.raises(errors.ResultsNotThere) as caught:
        answer(
            b'{"id":-1,"error":{"code":-32603,"message":"Internal error",'
            b'"data":"could not find results for height #7"}}'
        )
    assert caught.value.code == -32603
    with pytest.raises(Refusal, match="^Server error$"):
        answer(b'{"error":{"code":"odd","message":"Server error"}}')
    with pytest.raises(Refusal) as long:
        answer(json.dumps({"error": {"data": "x" * 5000}}).encode())
    assert len(long.value.text) == MAX_TEXT


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (HTML, NotJson),
        (b"upstream timed out", NotJson),
        (b'{"result":\xff\xfe}', NotJson),
        (b"{'result':1}", NotJson),
        (b'{"result":1}}', NotJson),
        (b'{"result":nonsense and more of it}', NotJson),
        (b"", Truncated),
        (b" \n", Truncated),
        (b'{"result":"caf\xc3', Truncated),
        (b'{"error":"not an object"}', Malformed),
        (b'{"result":null}', Malformed),
        (b"{}", Malformed),
        (b"[]", Malformed),
        (b'{"result":' + b"[" * 200_000 + b"]" * 200_000 + b"}", Malformed),
        (b'{"result":' + b"1" * 5000 + b"}", Malformed),
        (b'{"result":NaN}', Malformed),
        (b'{"result":"\\ud800"}', Malformed),
        (b"404 page not found\n", errors.UnknownMethod),
    ],
)
def test_what_is_no_answer_is_named(body: bytes, kind: type[BadBody]) -> None:
    with pytest.raises(errors.CometError) as caught:
        answer(body)
    assert type(caught.value) is kind


def test_a_character_beyond_the_basic_plane() -> None:
    assert answer(b'{"result":"\\ud83d\\ude00"}') == "\U0001f600"


def test_a_body_beyond_the_limit() -> None:
    assert answer(b'{"result":1}', limit=12) == 1
    with pytest.raises(errors.TooLarge, match="12 bytes, of at most 11"):
        answer(b'{"result":1}', limit=11)


@pytest.mark.parametrize("value", [b"[]", b"{}", b"1", b'{"a":[]}', b'""'])
def test_a_body_of_too_many_values(
    value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelope, "MAX_VALUES", 1000)
    monkeypatch.setattr(envelope, "PIECE", 64)

    def of(count: int) -> bytes:
        return b'{"result":[%b]}' % b",".join([value] * count)

    signs = sum(value.count(sign) for sign in b"[{") + 1
    most = 998 // signs
    assert answer(of(most))
    with pytest.raises(errors.TooLarge, match="more than 1000 values"):
        answer(of(most + 2))
    # A body whose every byte may be one is not looked through.
    assert answer(of(40))


def test_no_recorded_body_comes_near_that() -> None:
    bodies = [
        text.encode() for name in ALL for text in recording(name)["bodies"].values()
    ]
    densest = max(
        sum(body.count(sign) for sign in (b",", b"[", b"{")) / len(body)
        for body in bodies
        if len(body) > 500
    )
    assert densest * MAX_BODY < MAX_VALUES


TEXTS = st.text(max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | TEXTS
    | st.floats(allow_nan=False, width=16),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.booleans(), st.booleans(), st.data())
def test_a_body_that_ends_early_is_truncated(
    value: Any, ascii: bool, large: bool, data: Any
) -> None:
    if "Infinity" in (whole := json.dumps({"result": value}, ensure_ascii=ascii)):
        return
    encoded = whole.encode(errors="replace")
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.MonkeyPatch.context() as patch:
        if large:
            patch.setattr(gradual, "SMALL", 0)
        with pytest.raises(Truncated):
            answer(encoded[:cut])


@pytest.mark.parametrize("name", ALL)
def test_a_recorded_body_that_ends_early_is_truncated(name: str) -> None:
    whole = body(name, at("block_results", busy(name), name))
    for cut in range(0, len(whole.rstrip()), 7):
        with pytest.raises(Truncated):
            answer(whole[:cut])


@given(
    st.binary(max_size=40)
    | st.text(max_size=40).map(lambda text: ("{" + text).encode())
)
def test_any_bytes_give_a_result_or_a_named_error(some: bytes) -> None:
    try:
        answer(some)
        answers(some, [0])
    except errors.CometError:
        pass


@pytest.mark.parametrize("name", RELEASES)
def test_a_batch(name: str) -> None:
    batch = recording(name)["batch"].encode()
    found = answers(batch, [1, 0])
    assert [list(each)[0] for each in found if isinstance(each, dict)] == [
        "block_meta" if line(name) <= (0, 32) else "block_id",
        "height",
    ]


def test_a_call_of_a_batch_may_be_refused_alone() -> None:
    refused, fine = answers(
        b'[{"id":2,"result":7},{"id":1,"error":{"data":"no"}}]', [1, 2]
    )
    assert isinstance(refused, Refusal)
    assert (refused.text, fine) == ("no", 7)


def test_a_batch_may_be_refused_as_a_whole() -> None:
    with pytest.raises(errors.BatchTooLong):
        answers(LIMITED, range(11))


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":0,"result":1}',
        b"[]",
        b'[{"id":0,"result":1}]',
        b'[{"id":0,"result":1},{"id":0,"result":1}]',
        b'[{"id":0,"result":1},{"id":2,"result":1}]',
        b'[{"id":0,"result":1},{"id":"1","result":1}]',
        b'[{"id":0,"result":1},1]',
        b'[{"id":0,"result":1},{"id":1}]',
    ],
)
def test_a_batch_that_answers_something_else(body: bytes) -> None:
    with pytest.raises(Malformed):
        answers(body, [0, 1])


def test_sdk_bodies_are_there() -> None:
    assert set(SDK) < set(ALL)


def test_what_is_read_can_be_written_and_read_again_from_deeper_down() -> None:
    def deeper(calls: int, text: str) -> None:
        if calls:
            # From C, which Python counts by itself from 3.12 on.
            next(map(deeper, (calls - 1,), (text,)))
        else:
            json.loads(json.dumps(json.loads(text)))

    def nested(depth: int) -> str:
        return '{"result":' + opening * depth + "1" + closing * depth + "}"

    for opening, closing in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")):
        read, refused = 1, 100_000
        while refused - read > 1:
            depth = (read + refused) // 2
            try:
                answer(nested(depth).encode())
                read = depth
            except Malformed:
                refused = depth
        assert read > 100
        deeper(20, nested(read))


def test_numbers_that_could_not_be_written_are_refused() -> None:
    assert answer(b'{"result":[1.5,1e3]}') == [1.5, 1000.0]
    with pytest.raises(Malformed):
        answer(b'{"result":-1e400}')
