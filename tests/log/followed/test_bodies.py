"""What nodes said is put together again member by member."""

from __future__ import annotations

import random

import pytest

from tests.cometbft import recordings
from trio_stream.cometbft.results import read_results
from trio_stream.log.followed.bodies import SHORT, cut, joined, pack, unpack


@pytest.mark.parametrize("name", recordings.ALL)
def test_answers_of_all_releases_come_back(name):
    height = recordings.busy(name)
    block = recordings.answer(name, recordings.at("block", height, name))
    results = recordings.answer(name, recordings.at("block_results", height, name))
    bodies = cut(block, results)
    assert joined(*bodies) == (block, results)
    assert len(bodies.transactions) == len(recordings.block(name, height).txs)


def test_the_answers_are_left_as_they_are():
    name = recordings.RELEASES[0]
    height = recordings.busy(name)
    block = recordings.answer(name, recordings.at("block", height, name))
    results = recordings.answer(name, recordings.at("block_results", height, name))
    cut(block, results)
    assert block["block"]["data"]["txs"]
    assert recordings.results(name, height).txs


def test_text_that_is_no_unicode_comes_back():
    assert unpack(pack(["\ud800", "ä", None])) == ["\ud800", "ä", None]


VALUES: tuple[object, ...] = (
    *(2**64, -(10**40), 0, -0.0, 0.1, 5e-324, 1e22, 1.7976931348623157e308),
    *("", '\0\x1f\x7f"\\/<>&\u2028', "ä😀", "\ud83d", True, False, None, [], {}),
)


@pytest.mark.parametrize("value", VALUES, ids=ascii)
@pytest.mark.parametrize("around", [0, SHORT, 100 * SHORT])
def test_whatever_json_says_comes_back(value, around):
    packed = {"a": [value], "b": "x" * around, str(value): value}
    assert repr(unpack(pack(packed))) == repr(packed)


@pytest.mark.parametrize("length", [SHORT - 3, SHORT - 2, SHORT - 1, 2**17])
def test_short_and_long_texts_come_back(length):
    noise = random.Random(length).randbytes(length // 2).hex()
    for text in ("y" * length, noise, noise):
        assert unpack(pack(text)) == text


def test_a_plain_transfer_takes_a_fraction():
    name = "sdk050_cmt0.38.11"
    height = recordings.SDK[name]
    results = recordings.answer(name, recordings.at("block_results", height, name))
    raw = results["txs_results"][0]
    assert len(pack(raw)) < len(str(raw)) / 3


def test_the_list_of_results_is_the_one_that_is_read():
    block: dict[str, object] = {"block": {"data": {"txs": []}}}
    results: dict[str, object] = {"height": "1", "txs_results": [], "deliver_tx": [{}]}
    assert read_results(results).txs == ()
    bodies = cut(block, results)
    assert not bodies.transactions
    assert joined(*bodies) == (block, results)
