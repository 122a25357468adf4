"""Queries of one thousand, as the engine's own parser and matcher judged them: 0.38.26 and 0.37.18.

Each line is a query, the events of an item as the engine flattens them, and both verdicts: `holds`,
`does not`, `refused`, or, up to 0.37, `error` for a value that could not be read.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cometbft.made import NEW, OLD
from trio_stream.cometbft.errors import QuerySyntaxError
from trio_stream.cometbft.events import Attribute, Event
from trio_stream.cometbft.items import Item, flattened
from trio_stream.cometbft.queries import Generation
from trio_stream.cometbft.query_index import QueryIndex
from trio_stream.cometbft.query_parser import parse

VERDICTS = json.loads((Path(__file__).parent / "verdicts.json").read_text())


def item_of(found: dict[str, list[str]]) -> Item:
    events = []
    for composite, values in found.items():
        kind, _, key = composite.rpartition(".")
        events.append(
            Event(kind, tuple(Attribute(key, value, True) for value in values))
        )
    return Item(tuple(events), ())


@pytest.mark.parametrize(("generation", "column"), [(NEW, 2), (OLD, 3)])
def test_the_engine_says_the_same(generation: Generation, column: int) -> None:
    differ = []
    for verdict in VERDICTS:
        text, found, said = verdict[0], verdict[1], verdict[column]
        item = item_of(found)
        assert flattened(item) == found
        index = QueryIndex()
        try:
            index.add(parse(text, generation))
        except QuerySyntaxError:
            differ += [verdict] if said in ("holds", "does not") else []
            continue
        ours = "holds" if index.match(item) else "does not"
        differ += [verdict] if said in ("holds", "does not") and said != ours else []
    assert differ == []


def test_there_are_enough_of_each() -> None:
    for column in (2, 3):
        said = [verdict[column] for verdict in VERDICTS]
        assert min(said.count("holds"), said.count("does not")) > 300
