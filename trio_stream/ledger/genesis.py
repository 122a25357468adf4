"""What a chain begins with: InitChain and the genesis file's `app_state`, checked.

BigchainDB's chain of app hashes begins with the empty text. Engines that send whole blocks (from
CometBFT 0.38 on) take an answer with an empty hash for one of an older release, so chains that
begin on an engine with unsigned length prefixes start with the hash of nothing instead. A chain
that moves to a newer engine by replay keeps its start if the genesis file says so:

    "app_state": {"rules": 1, "start_hash": "empty"}         or "sha3"

A chain that goes on with the log of an earlier one says where that ended, and with which digest:

    "app_state": {"rules": 1, "continues": {"height": 7, "app_hash": "…", "digest": "…"}}

Its chain of app hashes goes on too. `trio-stream genesis` writes such a file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final

from trio_stream.abci.messages import InitChain
from trio_stream.ledger.block import MAX_HEIGHT, RULES, Chain, Continued
from trio_stream.transactions.elections import Validator

START_HASHES: Final[Mapping[str, str]] = {
    "empty": "",
    "sha3": hashlib.sha3_256(b"").hexdigest(),
}

_KEYS: Final = ("rules", "start_hash", "continues")
_HASH: Final = re.compile("[0-9a-f]{64}")
_SHOWN: Final = 200
"""Characters that an error shows of a list of unknown keys."""


class GenesisError(Exception):
    """The genesis file asks for something that we can't do; the text says what."""


def read_chain(request: InitChain) -> Chain:
    """The chain that the request begins; raises `GenesisError`."""
    if not 1 <= request.initial_height <= MAX_HEIGHT:
        raise GenesisError(
            f"initial_height {request.initial_height} is not from 1 to {MAX_HEIGHT}"
        )
    wishes = _wishes(request.app_state)
    start = wishes.get("start_hash", "empty" if request.signed else "sha3")
    if not isinstance(start, str) or start not in START_HASHES:
        raise GenesisError(
            f"app_state: start_hash {start!r:.40} is neither 'empty' nor 'sha3'"
        )
    rules = wishes.get("rules", RULES)
    if type(rules) is not int or rules != RULES:
        raise GenesisError(
            f"app_state: rules {rules!r:.40} are unknown here; known: {RULES}"
        )
    continues = _continued(wishes, request.initial_height)
    start_hash = START_HASHES[start]
    if continues is not None and continues.app_hash:
        start_hash = continues.app_hash
    return Chain(
        chain_id=request.chain_id,
        rules=rules,
        start_hash=start_hash,
        initial_height=request.initial_height,
        genesis_time=request.time,
        validators=tuple(Validator(*update) for update in request.validators),
        continues=continues,
    )


def app_state_of(end: Continued) -> dict[str, object]:
    """The genesis file's `app_state` for a chain that goes on from there."""
    return {"rules": RULES, "continues": end._asdict()}


def _continued(wishes: Mapping[str, object], initial_height: int) -> Continued | None:
    """The end of the chain before, if the file names one."""
    if "continues" not in wishes:
        return None
    said = wishes["continues"]
    if not isinstance(said, dict) or set(said) != set(Continued._fields):
        raise GenesisError(
            "app_state: 'continues' has to hold height, app_hash and digest, and nothing else"
        )
    end = Continued(**said)
    if type(end.height) is not int or end.height != initial_height - 1:
        raise GenesisError(
            f"app_state: a chain whose initial_height is {initial_height} can only continue one"
            f" that ended at height {initial_height - 1}, and not at {end.height!r:.40}"
        )
    for name, text in (("digest", end.digest), ("app_hash", end.app_hash)):
        if name == "app_hash" and text == "":
            continue
        if not isinstance(text, str) or not _HASH.fullmatch(text):
            raise GenesisError(f"app_state: {name} {text!r:.70} is not 64 hex digits")
    return end


def _wishes(app_state: bytes) -> Mapping[str, object]:
    """The settings in app_state that are meant for us; none if it is another application's."""
    try:
        state = json.loads(app_state)
    except (ValueError, RecursionError):
        # Engines pass on only JSON. Something else that still names our keys is a typing error,
        # which must not give this node another start than the others.
        if any(f'"{key}"'.encode() in app_state for key in _KEYS):
            raise GenesisError("app_state is not JSON that can be read") from None
        return {}
    if not isinstance(state, dict) or not any(key in state for key in _KEYS):
        return {}
    unknown = ", ".join(sorted(repr(key)[:40] for key in state if key not in _KEYS))
    if unknown:
        raise GenesisError(f"app_state: unknown {unknown[:_SHOWN]}")
    return state
