"""What the engine itself sends to its subscribers, made of what `block` and `block_results` answer.

The members are those of the node's own release, taken over as the node spelled them wherever they
are the same, so that base64 stays base64. What differs: a transaction's result leaves out what is
empty, an index of 0 is left out from 0.34 on, and empty lists are left out or kept one by one.

One thing is recorded nowhere: whether an application in the engine's own process answered with an
empty list or with none, which the engine passes on. Here an empty list of events is left out, and
an empty list of validators stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from trio_stream.cometbft.blocks import Block
from trio_stream.cometbft.fields import (
    Members,
    elements,
    integer,
    members,
    octets,
    text,
)
from trio_stream.cometbft.hashes import AMINO
from trio_stream.cometbft.items import Item, bare_item, block_item, flattened, tx_item
from trio_stream.cometbft.results import BlockResults, RawResults, raw_results

Value = dict[str, object]


class Announcement(NamedTuple):
    """One thing that the engine tells its subscribers of."""

    kind: str
    """What `tm.event` is."""
    value: Value
    """The `value` of the frame's `data`."""
    item: Item
    """What queries are asked of."""


def frame(announcement: Announcement, query: str, *, tags: bool = False) -> Value:
    """The `result` of a frame. `tags` is for subscribers of 0.31, which has one value for a key."""
    events: dict[str, list[str]] = flattened(announcement.item)
    return {
        "query": query,
        "data": {
            "type": f"tendermint/event/{announcement.kind}",
            "value": announcement.value,
        },
        **(
            {"tags": {key: values[-1] for key, values in events.items()}}
            if tags
            else {"events": events}
        ),
    }


def announcements(
    raw_block: Members, raw: Members, block: Block, results: BlockResults
) -> Iterator[Announcement]:
    """All that the engine announces of a block, in its order, but for evidence.

    The raw members are what `block` and `block_results` answered, and `block` and `results` what
    was read of them.
    """
    found = raw_results(raw)
    body = members(raw_block.get("block"), "the block")
    header = body.get("header")
    counted: Value = {"num_txs": str(len(block.txs))}
    if found.finalizes:
        ended: Value = {"result_finalize_block": _finalized(found)}
        block_id = raw_block.get("block_id")
        yield Announcement(
            "NewBlock",
            {"block": body, "block_id": block_id, **ended},
            block_item(results),
        )
        yield Announcement(
            "NewBlockHeader", {"header": header}, bare_item("NewBlockHeader")
        )
        events: Value = {"height": str(results.height), "events": found.finalize_events}
        item = block_item(results, "NewBlockEvents")
        yield Announcement("NewBlockEvents", {**events, **counted}, item)
    else:
        ended = _ended(found)
        yield Announcement("NewBlock", {"block": body, **ended}, block_item(results))
        # Up to 0.32 the header has it.
        with_count = {} if block.header.counts else counted
        item = block_item(results, "NewBlockHeader")
        yield Announcement(
            "NewBlockHeader", {"header": header, **with_count, **ended}, item
        )
    for index, each in enumerate(found.txs):
        value: Value = {
            "height": str(results.height),
            "tx": body["data"]["txs"][index],
            "result": _tx_result(each),
        }
        if index or block.header.block_protocol <= AMINO:
            value["index"] = index
        yield Announcement("Tx", {"TxResult": value}, tx_item(block, results, index))
    updates = elements(found.validator_updates, "validator_updates")
    if updates:
        value = {"validator_updates": [_validator(each) for each in updates]}
        yield Announcement(
            "ValidatorSetUpdates", value, bare_item("ValidatorSetUpdates")
        )


def _finalized(raw: RawResults) -> Value:
    """The application's answer to FinalizeBlock, from 0.38 on."""
    return _present(
        events=raw.finalize_events,
        tx_results=list(raw.txs),
        validator_updates=raw.validator_updates or NONE,
        consensus_param_updates=raw.consensus_param_updates,
        app_hash=raw.app_hash,
    )


def _ended(raw: RawResults) -> Value:
    """The application's answers to BeginBlock and EndBlock, up to 0.37."""
    return {
        "result_begin_block": _present(events=raw.begin_events, tags=raw.begin_tags),
        "result_end_block": _present(
            validator_updates=raw.validator_updates or NONE,
            consensus_param_updates=raw.consensus_param_updates,
            events=raw.end_events,
            tags=raw.end_tags,
        ),
    }


NONE: list[object] = []
"""What is sent for no updates of validators, where other lists are left out."""


def _present(**fields: object) -> Value:
    """Those that are not empty."""
    return {
        name: value
        for name, value in fields.items()
        if value is NONE or value not in (None, "", [])
    }


def _tx_result(raw: Members) -> Value:
    """A transaction's result, which in a frame leaves out what is empty."""
    renamed = {RENAMED.get(name, name): value for name, value in raw.items()}
    for name in NUMBERS:
        if renamed.get(name) in (0, "0"):
            del renamed[name]
    # In `block_results` they are there even if they are empty.
    events = [
        _present(**members(each, "an event")) for each in renamed.get("events") or ()
    ]
    return _present(**{**renamed, "events": events})


NUMBERS = ("code", "gas_wanted", "gas_used")
RENAMED = {"gasWanted": "gas_wanted", "gasUsed": "gas_used"}
"""Names in `block_results` of 0.32 and 0.33, which frames never had."""


def _validator(raw: object) -> Value:
    """A validator as it is announced, of the update that the application asked for."""
    update = members(raw, "a validator")
    kind, key = _public_key(update)
    value: Value = {
        "pub_key": {"type": TYPES.get(kind, kind), "value": key},
        "voting_power": str(integer(update.get("power"), "power")),
        "proposer_priority": "0",
    }
    address = _address(kind, octets(key, "a key"))
    return {"address": address.hex().upper(), **value} if address else value


def _public_key(update: Members) -> tuple[str, str]:
    """Kind and key in base64; each generation has them elsewhere."""
    if "pub_key_bytes" in update:
        kind, key = update.get("pub_key_type"), update["pub_key_bytes"]
    else:
        pub_key = members(update.get("pub_key"), "pub_key")
        if "Sum" in pub_key:
            [(kind, key)] = members(
                members(pub_key["Sum"], "Sum").get("value"), "value"
            ).items() or [("", "")]
        else:
            kind, key = pub_key.get("type"), pub_key.get("data")
    return text(kind, "a key's type"), text(key, "a key")


TYPES = {
    "ed25519": "tendermint/PubKeyEd25519",
    "secp256k1": "tendermint/PubKeySecp256k1",
    "bls12_381": "cometbft/PubKeyBls12_381",
}


def _address(kind: str, key: bytes) -> bytes:
    """The address of a validator with that key; empty if there is no telling."""
    digest = sha256(key).digest()
    if kind != "secp256k1":
        return digest[:ADDRESS] if kind in TYPES else b""
    try:
        return hashlib.new("ripemd160", digest).digest()
    except ValueError:
        # Some builds of OpenSSL leave it out.
        return b""


ADDRESS = 20
"""Bytes of it."""
