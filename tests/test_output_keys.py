"""Where a key stands, and who finds it there: random transactions against the written rule.

The rule is the reference's (fastquery.py): a transaction is found by the `public_keys` of any of
its outputs, and of one that is found each output counts whose condition's details hold the key.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from scripts.signing import Document, Key, create, encode, sign
from tests.ledger.chains import ALICE, new_engine
from tests.log.test_lookups import all_outputs
from trio_stream.log.file import open_for_reading
from trio_stream.log.live import contents
from trio_stream.log.matches import Span, find_matches
from trio_stream.log.writer import CommitLog
from trio_stream.stream.position import Position
from trio_stream.stream.selection import Filters
from trio_stream.transactions.candidate import CandidateCache

KEYS = [Key.from_seed(bytes([seed]) * 32).public for seed in range(10, 16)]
EVERYTHING = Span(-1, 1 << 62)


def random_details(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    if depth == 3 or chance.random() < 0.6:
        # White space behind a key is accepted, and does not count.
        key = chance.choice(KEYS) + chance.choice(("", "", "", " "))
        return {"type": "ed25519-sha-256", "public_key": key}
    parts = [random_details(chance, depth + 1) for _ in range(chance.randrange(1, 4))]
    return {"type": "threshold-sha-256", "threshold": 1, "subconditions": parts}


def random_create(chance: random.Random, n: int) -> Document:
    document = create(ALICE, data={"n": n})
    (template,) = document["outputs"]
    document["outputs"] = []
    for _ in range(chance.randrange(1, 5)):
        keys: list[str] | None = chance.choices(KEYS, k=chance.randrange(4))
        if chance.random() < 0.1:
            keys = None
        condition = {**template["condition"], "details": random_details(chance)}
        document["outputs"].append(
            {**template, "public_keys": keys, "condition": condition}
        )
    document["inputs"][0]["owners_before"] = chance.choices(KEYS, k=chance.randrange(3))
    return sign(document, ALICE)


DOCUMENTS = [random_create(random.Random(n), n) for n in range(200)]


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    path: Path = tmp_path_factory.mktemp("log")
    with CommitLog.open(path) as log:
        codes, _ = new_engine(store=log).block(*map(encode, DOCUMENTS))
        assert not any(codes)
        connection = open_for_reading(log.path)
        yield connection
        connection.close()


def holds(details: Any, key: str) -> bool:
    """The reference's `condition_details_has_owner`, of details as it stores them."""
    if "subconditions" in details:
        return any(holds(part, key) for part in details["subconditions"])
    return bool(details["public_key"].rstrip() == key)


def listed(document: Document, key: str) -> list[int]:
    """The places of the outputs that have the key in `public_keys`."""
    return [
        index
        for index, output in enumerate(document["outputs"])
        if key in (output["public_keys"] or ())
    ]


def owned(document: Document, key: str) -> list[int]:
    """The places of the outputs that GET lists."""
    if not listed(document, key):
        return []
    return [
        index
        for index, output in enumerate(document["outputs"])
        if holds(output["condition"]["details"], key)
    ]


@pytest.mark.parametrize("key", KEYS)
def test_the_outputs_of_a_key_are_those_that_the_reference_lists(
    key: str, reading: apsw.Connection
) -> None:
    expected = [
        {"transaction_id": document["id"], "output_index": index}
        for document in DOCUMENTS
        for index in owned(document, key)
    ]
    assert len(expected) > 20
    assert any(set(owned(each, key)) - set(listed(each, key)) for each in DOCUMENTS)
    assert all_outputs(reading, key, None) == expected
    assert all_outputs(reading, key, False) == expected
    assert all_outputs(reading, key, True) == []


@pytest.mark.parametrize("key", KEYS)
def test_the_views_say_where_a_key_stands(key: str, reading: apsw.Connection) -> None:
    def ask(sql: str) -> list[tuple[Any, ...]]:
        return reading.execute(
            f"{sql} ORDER BY sequence, output_index", (key,)
        ).fetchall()

    places = [
        ((1 << 26) + at, index, index in listed(each, key), index in owned(each, key))
        for at, each in enumerate(DOCUMENTS)
        for index in sorted({*listed(each, key), *owned(each, key)})
    ]
    assert places == ask(
        "SELECT sequence, output_index, in_public_keys, in_condition"
        " FROM v2_output_keys WHERE public_key = ?"
    )
    # The first one keeps its meaning.
    assert [(*place[:2], place[3]) for place in places if place[2]] == ask(
        "SELECT sequence, output_index, in_condition FROM v1_output_keys WHERE public_key = ?"
    )


@pytest.mark.parametrize("key", KEYS)
def test_a_filter_finds_inputs_owners_and_listed_keys(
    key: str, reading: apsw.Connection
) -> None:
    expected = [
        (1 << 26) + at
        for at, each in enumerate(DOCUMENTS)
        if listed(each, key) or key in each["inputs"][0]["owners_before"]
    ]
    filters = Filters(public_key=[key])
    found = find_matches(reading, filters, EVERYTHING, looks=10_000)
    assert list(found.keys) == expected
    # What is committed just now is asked itself.
    places = [Position(1, at) for at in range(len(DOCUMENTS))]
    known = contents(places, CandidateCache(0), 1 << 30, reading)
    assert [at for at, inside in known.items() if key in inside.public_keys] == expected
