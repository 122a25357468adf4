"""Elections and votes: their shape, and which changes of the validator set an engine survives.

An election is a CREATE whose outputs hand out vote tokens to the validators; a vote is a TRANSFER
of tokens to the election's address. Who may open an election is `rules`' business, and when it
concludes is the ledger's.

The consensus engine ends for good if it is told to change its validators in a way that it does not
allow, since the block that says so is stored before it is executed. The reference passes on
whatever was elected. Here posts and checks refuse the election of such a change, and if it is in a
block all the same, or became fatal by a change in between, it does not conclude.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from trio_stream.transactions import base58
from trio_stream.transactions.errors import (
    MAX_TEXT,
    InvalidPublicKey,
    SchemaValidationError,
)
from trio_stream.transactions.quoting import quote
from trio_stream.transactions.structure import (
    CHAIN_MIGRATION_ELECTION,
    VALIDATOR_ELECTION,
)

MAX_TOTAL_POWER: Final = (2**63 - 1) // 8
"""The most that all validators may have together, for every engine."""

_DECODERS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "ed25519-base16": base64.b16decode,
    "ed25519-base32": base64.b32decode,
    "ed25519-base64": base64.b64decode,
}
_KEY_TYPE: Final = "ed25519"
# The reference reads the text as hexadecimal for the engine, whatever the election says.
_USABLE: Final = "ed25519-base16"

_CHANGE: Final = ("node_id", "public_key", "power")
_PUBLIC_KEY: Final = ("value", "type")
_URI: Final = re.compile(
    r"ni:///sha-256;([a-zA-Z0-9_-]{0,86})[?]"
    r"(fpt=ed25519-sha-256(&)?|cost=[0-9]+(&)?"
    r"|subtypes=ed25519-sha-256(&)?){2,3}"
)


class Validator(NamedTuple):
    """A member of the validator set, in the engine's terms."""

    key_type: str
    key: bytes
    power: int


class Change(NamedTuple):
    """What a validator election is about: a key, and the power that it gets; 0 removes it."""

    encoding: str
    key: bytes
    power: object
    """Any value of JSON: the reference compares it, and checks nothing else."""


def check(document: Mapping[str, Any]) -> None:
    """Raise a ValidationError unless an election or vote has the shape of one.

    That it has the shape of a CREATE or TRANSFER is known.
    """
    operation, data = document["operation"], document["asset"].get("data")
    if operation == VALIDATOR_ELECTION:
        _check_change(data)
    elif operation == CHAIN_MIGRATION_ELECTION and data is not None:
        _check_names(data, ("seed",), ())
        _check_seed(data)
    for output in document["outputs"]:
        uri = output["condition"]["uri"]
        if not _URI.fullmatch(uri):
            _refuse(f"{_quote(uri)} does not match {f'^{_URI.pattern}$'!r}")
    if operation == VALIDATOR_ELECTION and len(change_of(document).key) != 32:
        raise InvalidPublicKey("Public key should be of size 32 bytes")


def change_of(document: Mapping[str, Any]) -> Change:
    """The change that a validator election asks for."""
    data = document["asset"]["data"]
    encoding, text = data["public_key"]["type"], data["public_key"]["value"]
    try:
        key = _DECODERS[encoding](text)
    except ValueError:
        text = "Invalid `type` specified for public key `value`"
        raise InvalidPublicKey(text) from None
    return Change(encoding, key, data["power"])


def address_of(election_id: str) -> str:
    """The public key, as it were, that votes are sent to."""
    return base58.encode(bytes.fromhex(election_id))


def changed(validators: Sequence[Validator], change: Change) -> list[Validator]:
    """The set with this change: a new member comes last, one without power goes."""
    assert isinstance(change.power, int)
    # `true` passes as 1.
    new = Validator(_KEY_TYPE, change.key, int(change.power))
    after = [new if each[:2] == new[:2] else each for each in validators]
    if new not in after:
        after.append(new)
    return [each for each in after if each.power > 0]


def why_fatal(validators: Sequence[Validator], change: Change) -> str | None:
    """Why an engine with these validators would not survive the change; None if it would."""
    if change.encoding != _USABLE:
        return f"the type of a validator's public key must be {_USABLE}"
    power = change.power
    if not isinstance(power, int):
        return "`power` must be an integer"
    if power < 0:
        return "`power` must not be negative"
    if all(each.key_type != _KEY_TYPE for each in validators):
        return f"this chain has no validator with an {_KEY_TYPE} key"
    is_known = any(each[:2] == (_KEY_TYPE, change.key) for each in validators)
    if not power and not is_known:
        return "a validator that is not in the set can't be removed"
    after = changed(validators, change)
    if not after:
        return "the last validator can't be removed"
    if sum(each.power for each in after) > MAX_TOTAL_POWER:
        return f"all validators together may have a power of at most {MAX_TOTAL_POWER}"
    return None


def _check_change(data: Any) -> None:
    if type(data) is not dict:
        _refuse_type(data, "object")
    _check_names(data, (*_CHANGE, "seed"), _CHANGE)
    if type(data["node_id"]) is not str:
        _refuse_type(data["node_id"], "string")
    _check_seed(data)
    public_key = data["public_key"]
    if type(public_key) is not dict:
        _refuse_type(public_key, "object")
    _check_names(public_key, _PUBLIC_KEY, _PUBLIC_KEY)
    for text in public_key.values():
        if type(text) is not str:
            _refuse_type(text, "string")
    if public_key["type"] not in _DECODERS:
        _refuse(f"{_quote(public_key['type'])} is not one of {[*_DECODERS]}")


def _check_seed(data: Mapping[str, Any]) -> None:
    if "seed" in data and type(data["seed"]) is not str:
        _refuse_type(data["seed"], "string")


def _check_names(
    value: Mapping[str, Any], known: Sequence[str], required: Sequence[str]
) -> None:
    for name in value:
        if name not in known:
            text = f"({_quote(name)} was unexpected)"
            _refuse(f"Additional properties are not allowed {text}")
    for name in required:
        if name not in value:
            _refuse(f"{name!r} is a required property")


def _refuse_type(value: object, name: str) -> None:
    _refuse(f"{_quote(value)} is not of type '{name}'")


def _refuse(text: str) -> None:
    raise SchemaValidationError(text)


def _quote(value: object) -> str:
    return quote(value, MAX_TEXT // 2)
