"""What `block_results` answers, of any release, in one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple

from trio_stream.cometbft.events import (
    Event,
    Spelling,
    keys_of,
    read_events,
    read_tags,
    spelling_of,
)
from trio_stream.cometbft.fields import (
    Members,
    code,
    elements,
    height,
    integer,
    members,
    octets,
    text,
)

Phase = Literal["begin", "end", "finalize"]

MODES: Mapping[str, Phase] = {"BeginBlock": "begin", "EndBlock": "end"}
"""From 0.38 on one list holds the events of a whole block. The SDK, and the engine for blocks from
before its upgrade, say with this attribute where each comes from."""


@dataclass(frozen=True, slots=True)
class TxResult:
    """What became of one transaction."""

    code: int
    data: bytes
    log: str
    info: str
    gas_wanted: int
    gas_used: int
    codespace: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class BlockResults:
    """What became of a block."""

    height: int
    txs: tuple[TxResult, ...]
    begin_events: tuple[Event, ...]
    end_events: tuple[Event, ...]
    finalize_events: tuple[Event, ...]
    """From 0.38 on, instead of the other two."""
    app_hash: bytes | None
    """Of the application after this block, from 0.38 on; None if the node does not say."""
    spelling: Spelling
    """How the body wrote its attributes."""

    def block_events(self) -> Iterator[tuple[Phase, Event]]:
        """The events that are no transaction's, in order, each with where it comes from."""
        yield from (("begin", event) for event in self.begin_events)
        for event in self.finalize_events:
            yield _phase(event), event
        yield from (("end", event) for event in self.end_events)

    @property
    def looks_misread(self) -> bool:
        """Whether this is what CometBFT 0.38.0 to 0.38.9 make of a record from before 0.38.

        They take a list of results for the application's answer: an event without a type whose
        attribute has no key, and no hash of the application. No release executes to that.
        """
        return self.app_hash is None and any(
            not event.type and any(not each.key for each in event.attributes)
            for event in self.finalize_events
        )


class RawResults(NamedTuple):
    """The members of an answer as they are spelled, found where its release has them."""

    txs: tuple[Members, ...]
    begin_events: object
    end_events: object
    finalize_events: object
    begin_tags: object
    """0.31 alone has tags, in place of events."""
    end_tags: object
    validator_updates: object
    consensus_param_updates: object
    app_hash: object
    finalizes: bool
    """Whether this is the shape of 0.38 and later."""


def raw_results(result: object) -> RawResults:
    """Find the members of what `block_results` answers with; raises Malformed."""
    answer = members(result, "the answer")
    # Up to 0.32 the results are one level down, under names that changed with 0.32.
    nested = members(_first(answer, "results") or answer, "the results")
    begin = members(_first(nested, "begin_block", "BeginBlock") or {}, "begin_block")
    end = members(_first(nested, "end_block", "EndBlock") or {}, "end_block")
    # No name is in both places.
    begin, end = {**nested, **begin}, {**nested, **end}
    txs = elements(
        _first(nested, "txs_results", "deliver_tx", "DeliverTx"), "the results"
    )
    return RawResults(
        # Up to 0.33 a plain success may be null.
        tuple(members({} if each is None else each, "a result") for each in txs),
        _first(begin, "begin_block_events", "events"),
        _first(end, "end_block_events", "events"),
        nested.get("finalize_block_events"),
        begin.get("tags"),
        end.get("tags"),
        end.get("validator_updates"),
        end.get("consensus_param_updates"),
        nested.get("app_hash"),
        "finalize_block_events" in nested,
    )


def read_results(
    result: object,
    *,
    last: Spelling | None = None,
    forced: Spelling | None = None,
) -> BlockResults:
    """What `block_results` answers with; raises Malformed.

    `forced` is the spelling of attributes that the operator says the node has. Otherwise the body's
    own keys decide, then `last`, which is how the node's answer before this one was spelled.
    """
    raw = raw_results(result)
    of = height(members(result, "the answer").get("height"), "the results' height")
    spelling = (
        forced
        or _spelling(raw)
        or last
        or (Spelling.PLAIN if raw.finalizes else Spelling.BASE64)
    )
    return BlockResults(
        of,
        tuple(_tx_result(each, spelling) for each in raw.txs),
        read_events(raw.begin_events, spelling) + read_tags(raw.begin_tags),
        read_events(raw.end_events, spelling) + read_tags(raw.end_tags),
        read_events(raw.finalize_events, spelling),
        # Nodes that serve a record of before 0.38 send null; an empty one is no hash either.
        None if raw.app_hash in (None, "") else octets(raw.app_hash, "app_hash"),
        spelling,
    )


def _first(found: Members, *names: str) -> object:
    """The first member of these that is there and not null."""
    return next((found[name] for name in names if found.get(name) is not None), None)


def _spelling(raw: RawResults) -> Spelling | None:
    blocks = raw.begin_events, raw.finalize_events, raw.end_events
    txs = (each.get("events") for each in raw.txs)
    return spelling_of(chain.from_iterable(map(keys_of, chain(blocks, txs))))


def _tx_result(raw: Members, spelling: Spelling) -> TxResult:
    events = read_events(raw.get("events"), spelling)
    return TxResult(
        code(raw.get("code"), "code"),
        octets(raw.get("data"), "data"),
        text(raw.get("log"), "log"),
        text(raw.get("info"), "info"),
        integer(raw.get("gas_wanted", raw.get("gasWanted")), "gas_wanted"),
        integer(raw.get("gas_used", raw.get("gasUsed")), "gas_used"),
        text(raw.get("codespace"), "codespace"),
        events + read_tags(raw["tags"]) if "tags" in raw else events,
    )


def _phase(event: Event) -> Phase:
    # The engine puts its own after the application's attributes.
    for attribute in reversed(event.attributes):
        if attribute.key == "mode" and attribute.value in MODES:
            return MODES[attribute.value]
    return "finalize"
