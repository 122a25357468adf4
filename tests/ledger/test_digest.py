"""The digest of a chain: what it covers, and what it leaves out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.chains import TIME
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Chain, Tally
from trio_stream.ledger.digest import ChainDigest
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.errors import MalformedTransaction

KEY = bytes(range(32))
SET = (Validator("ed25519", KEY, 10),)
CHAIN = Chain("test-chain", 1, "", 1, TIME, SET)

members = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.one_of(
        st.integers(-(2**63), 2**63),
        st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.booleans(),
        st.none(),
        st.lists(st.integers(0, 9)),
    ),
)


def test_it_is_the_sha256_of_the_lines_that_are_documented() -> None:
    digest = ChainDigest(CHAIN)
    digest.add_transaction(b'{"id": "bb",\n "a\\u00e9": 1.0}')
    digest.add_transaction(b"[]")
    digest.add_block(1, "h1", [Tally("e2", 3, True), Tally("e1", 10**30, False)], None)
    digest.add_block(2, "h1", [], [Validator("secp256k1", b"\x02", 7), *SET])
    lines = (
        '{"chain_id":"test-chain","initial_height":1,"rules":1,"start_hash":"",'
        f'"validators":[["ed25519","{KEY.hex()}",10]]}}\n'
        '{"aé":1.0,"id":"bb"}\n'
        "[]\n"
        '{"app_hash":"h1","height":1,"tallies":'
        f'[["e1",{10**30},false],["e2",3,true]],"transactions":2,"validators":null}}\n'
        '{"app_hash":"h1","height":2,"tallies":[],"transactions":0,'
        f'"validators":[["secp256k1","02",7],["ed25519","{KEY.hex()}",10]]}}\n'
    )
    assert digest.hexdigest() == hashlib.sha256(lines.encode()).hexdigest()


def test_a_chain_that_goes_on_counts_from_its_first_block_on() -> None:
    digest = ChainDigest(CHAIN)
    digest.add_block(1, "h", [], None)
    before = digest.hexdigest()
    move = replace(CHAIN, chain_id="next", initial_height=2, start_hash="h")
    digest.add_move(move)
    digest.add_block(2, "h", [], None)
    lines = (
        f'{{"chain_id":"test-chain",{_FIRST}}}\n{_block(1)}'
        '{"chain_id":"next","initial_height":2,"rules":1,"start_hash":"h"}\n'
        f"{_block(2)}"
    )
    assert digest.hexdigest() == hashlib.sha256(lines.encode()).hexdigest()
    assert before == of([])


_FIRST = (
    '"initial_height":1,"rules":1,"start_hash":"",'
    f'"validators":[["ed25519","{KEY.hex()}",10]]'
)


def _block(height: int) -> str:
    return (
        f'{{"app_hash":"h","height":{height},"tallies":[],"transactions":0,'
        '"validators":null}\n'
    )


def test_what_is_no_json_has_no_digest() -> None:
    with pytest.raises(MalformedTransaction):
        ChainDigest(CHAIN).add_transaction(b"\xff")


def of(documents: list[bytes], chain: Chain = CHAIN) -> str:
    digest = ChainDigest(chain)
    for each in documents:
        digest.add_transaction(each)
    digest.add_block(1, "h", [], None)
    return digest.hexdigest()


@given(members, st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_how_a_transaction_was_written_does_not_count(
    document: dict[str, object], chance: object, is_ascii: bool, is_spaced: bool
) -> None:
    names = list(document)
    chance.shuffle(names)  # type: ignore[attr-defined]
    written = json.dumps(
        {name: document[name] for name in names},
        ensure_ascii=is_ascii,
        indent=1 if is_spaced else None,
    )
    assert of([written.encode()]) == of([json.dumps(document).encode()])


@given(st.lists(members, min_size=1, max_size=5), st.data())
def test_what_a_transaction_says_and_where_it_stands_counts(
    documents: list[dict[str, object]], data: st.DataObject
) -> None:
    encoded = [json.dumps(each, sort_keys=True).encode() for each in documents]
    other = list(data.draw(st.permutations(encoded)))
    at = data.draw(st.integers(0, len(other) - 1))
    if data.draw(st.booleans()):
        other[at] = json.dumps(data.draw(members), sort_keys=True).encode()
    assert (of(other) == of(encoded)) is (other == encoded)


def test_numbers_that_are_equal_only_in_python_differ() -> None:
    texts = [b'{"n": 1}', b'{"n": 1.0}', b'{"n": true}', b'{"n": -0.0}', b'{"n": 0.0}']
    assert len({of([each]) for each in texts}) == len(texts)


def test_transactions_belong_to_one_block() -> None:
    first, second = ChainDigest(CHAIN), ChainDigest(CHAIN)
    first.add_transaction(b"{}")
    for digest in first, second:
        digest.add_block(1, "h", [], None)
    second.add_transaction(b"{}")
    for digest in first, second:
        digest.add_block(2, "h", [], None)
    assert first.hexdigest() != second.hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        replace(CHAIN, chain_id="other"),
        replace(CHAIN, rules=2),
        replace(CHAIN, start_hash="0" * 64),
        replace(CHAIN, initial_height=2),
        replace(CHAIN, validators=()),
        replace(CHAIN, validators=(Validator("ed25519", KEY, 11),)),
    ],
)
def test_another_chain_has_another_digest(other: Chain) -> None:
    assert of([], other) != of([])


def test_the_time_of_the_genesis_file_does_not_count() -> None:
    assert of([], replace(CHAIN, genesis_time=Time(0, 0))) == of([])
