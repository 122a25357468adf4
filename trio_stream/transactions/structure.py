r"""The shape of a transaction: which members, of which types, in which form.

The reference has a JSON Schema; RapidJSON decides, and jsonschema 3.2.0 makes the
text. Here one function per part does both, in the order of the schema. The first
fault is reported, in jsonschema's words; if a value may take one of several forms,
the words are about the form that it matched furthest, which is jsonschema's choice
too. Traps:

- `^…$` is a whole match, and nothing but the end ends it, no newline before it;
- other patterns are searched: any text that contains a hash passes as a hash;
- an integer is one as written: neither `1.0` nor `true`, and from -2^63 to 2^64-1.

Each check tests everything at once, and finds the words only if that fails.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Any, Never

from trio_stream.transactions.errors import MAX_TEXT, SchemaValidationError
from trio_stream.transactions.ids import ID
from trio_stream.transactions.quoting import quote

CREATE = "CREATE"
TRANSFER = "TRANSFER"
VALIDATOR_ELECTION = "VALIDATOR_ELECTION"
CHAIN_MIGRATION_ELECTION = "CHAIN_MIGRATION_ELECTION"
VOTE = "VOTE"
PLAIN = frozenset({CREATE, TRANSFER})
"""All that has nothing to do with elections."""
CREATING = frozenset({CREATE, VALIDATOR_ELECTION, CHAIN_MIGRATION_ELECTION})
"""What makes a new asset; the others move one."""
_OPERATIONS = [CREATE, TRANSFER, VALIDATOR_ELECTION, CHAIN_MIGRATION_ELECTION, VOTE]

MAX_INDEX = 2**64 - 1
"""The greatest number that is an integer for RapidJSON."""

# In this order: the first one that is missing is named.
_TRANSACTION = ("id", "inputs", "outputs", "operation", "metadata", "asset", "version")
_INPUT = ("owners_before", "fulfillment")
_LINK = ("output_index", "transaction_id")
_OUTPUT = ("amount", "condition", "public_keys")
_CONDITION = ("details", "uri")
_SIMPLE = ("type", "public_key")
_THRESHOLD = ("type", "threshold", "subconditions")

_TRANSACTION_SET = frozenset(_TRANSACTION)
_INPUT_SET = frozenset({*_INPUT, "fulfills"})
_LINK_SET = frozenset(_LINK)
_OUTPUT_SET = frozenset(_OUTPUT)
_CONDITION_SET = frozenset(_CONDITION)
_SIMPLE_SET = frozenset(_SIMPLE)
_THRESHOLD_SET = frozenset(_THRESHOLD)
_ASSET_SET = frozenset({"id", "data"})

_SIMPLE_TYPE = "ed25519-sha-256"
_THRESHOLD_TYPE = "threshold-sha-256"
_MAX_THRESHOLD = 100

_KEY = re.compile(r"[1-9a-zA-Z^OIl]{43,44}")
_AMOUNT = re.compile(r"[0-9]{1,20}")
_FULFILLMENT = re.compile(r"[a-zA-Z0-9_-]*")
_URI = re.compile(
    r"ni:///sha-256;([a-zA-Z0-9_-]{0,86})[?]"
    r"(fpt=(ed25519|threshold)-sha-256(&)?|cost=[0-9]+(&)?"
    r"|subtypes=ed25519-sha-256(&)?){2,3}"
)


def check(document: dict[str, Any]) -> None:
    """Raise SchemaValidationError if the shape is wrong.

    `elections` checks the rest of that of elections and votes.
    """
    _check_members(document, _TRANSACTION_SET, _TRANSACTION)
    operation = document["operation"]
    if type(operation) is not str or operation not in _OPERATIONS:
        _check_string(operation)
        _refuse(f"{_quote(operation)} is not one of {_OPERATIONS}")
    asset, inputs, outputs = document["asset"], document["inputs"], document["outputs"]
    _check_asset(asset)
    for each in _items(inputs):
        _check_input(each)
    for each in _items(outputs):
        _check_output(each)
    metadata = document["metadata"]
    if metadata is not None:
        _check_object(metadata)
        if not metadata:
            _refuse("{} does not have enough properties")
    if document["version"] != "2.0":
        _check_string(document["version"])
        _refuse_match(document["version"], r"^2\.0$")
    if operation in CREATING:
        _check_create(asset, inputs)
    else:
        _check_transfer(asset, inputs)


def _check_create(asset: dict[str, Any], inputs: list[Any]) -> None:
    if "id" in asset:
        _refuse_extra("id")
    if "data" not in asset:
        _refuse_missing("data")
    if len(inputs) != 1:
        _refuse(f"{_quote(inputs)} is too {'long' if inputs else 'short'}")
    if "fulfills" not in inputs[0]:
        _refuse_missing("fulfills")
    if inputs[0]["fulfills"] is not None:
        _refuse_type(inputs[0]["fulfills"], "null")


def _check_transfer(asset: dict[str, Any], inputs: list[Any]) -> None:
    if "data" in asset:
        _refuse_extra("data")
    if "id" not in asset:
        _refuse_missing("id")
    if not inputs:
        _refuse("[] is too short")
    for each in inputs:
        if "fulfills" not in each:
            _refuse_missing("fulfills")
        _check_object(each["fulfills"])


def _check_asset(asset: Any) -> None:
    if type(asset) is not dict or not asset.keys() <= _ASSET_SET:
        _check_members(asset, _ASSET_SET, ())
    if "id" in asset:
        _check_pattern(asset["id"], ID)
    if asset.get("data") is not None:
        _check_object(asset["data"])


def _check_input(value: Any) -> None:
    _check_members(value, _INPUT_SET, _INPUT)
    _check_keys(value["owners_before"])
    fulfillment = value["fulfillment"]
    if not (type(fulfillment) is str and _FULFILLMENT.fullmatch(fulfillment)):
        _check_details(fulfillment)
    link = value.get("fulfills")
    if link is not None:
        _check_link(link)


def _check_link(link: Any) -> None:
    _check_object(link)
    index = link.get("output_index", 0)
    if type(index) is not int or index > MAX_INDEX:
        _refuse_type(index, "integer")
    if index < 0:
        _refuse(f"{index} is less than the minimum of 0")
    if "transaction_id" in link:
        _check_pattern(link["transaction_id"], ID)
    _check_members(link, _LINK_SET, _LINK)


def _check_output(value: Any) -> None:
    _check_members(value, _OUTPUT_SET, _OUTPUT)
    amount = value["amount"]
    if type(amount) is not str or not _AMOUNT.fullmatch(amount):
        _check_string(amount)
        _refuse_match(amount, f"^{_AMOUNT.pattern}$")
    condition = value["condition"]
    _check_members(condition, _CONDITION_SET, _CONDITION)
    _check_details(condition["details"])
    uri = condition["uri"]
    if type(uri) is not str or not _URI.fullmatch(uri):
        _check_string(uri)
        _refuse_match(uri, f"^{_URI.pattern}$")
    _check_keys(value["public_keys"])


def _check_keys(value: Any) -> None:
    if value is not None:
        for key in value if type(value) is list else _items(value):
            if type(key) is not str or not _KEY.search(key):
                _check_pattern(key, _KEY)


def _check_details(details: Any) -> None:
    """Check the details of a condition; the nesting of the whole text is limited."""
    if type(details) is dict and details.keys() == _SIMPLE_SET:
        if details["type"] == _SIMPLE_TYPE:
            _check_pattern(details["public_key"], _KEY)
            return
    _check_object(details)
    parts = details.get("subconditions", [])
    for part in parts if type(parts) is list else ():
        _check_details(part)
    # From here on only a threshold is valid.
    kind = details.get("type", _THRESHOLD_TYPE)
    _check_string(kind)
    if kind != _THRESHOLD_TYPE:
        expected = _THRESHOLD_TYPE if kind == _SIMPLE_TYPE else _SIMPLE_TYPE
        _refuse_match(kind, f"^{expected}$")
    threshold = details.get("threshold", 1)
    if details.keys() != _THRESHOLD_SET or type(parts) is not list:
        _refuse_details(details)
    if type(threshold) is not int or not 1 <= threshold <= _MAX_THRESHOLD:
        _refuse_details(details)


def _refuse_details(details: dict[str, Any]) -> Never:
    if "type" not in details:
        _refuse_missing("type")
    _refuse_match(details["type"], f"^{_SIMPLE_TYPE}$")


def _items(value: Any) -> list[Any]:
    if type(value) is not list:
        _refuse_type(value, "array")
    return value


def _check_members(
    value: Any, known: AbstractSet[str], required: tuple[str, ...]
) -> None:
    if type(value) is dict and value.keys() == known:
        return
    _check_object(value)
    for name in value:
        if name not in known:
            _refuse_extra(name)
    for name in required:
        if name not in value:
            _refuse_missing(name)


def _check_object(value: Any) -> None:
    if type(value) is not dict:
        _refuse_type(value, "object")


def _check_string(value: Any) -> None:
    if type(value) is not str:
        _refuse_type(value, "string")


def _check_pattern(value: Any, pattern: re.Pattern[str]) -> None:
    if type(value) is not str or not pattern.search(value):
        _check_string(value)
        _refuse_match(value, pattern.pattern)


def _refuse_type(value: object, name: str) -> Never:
    _refuse(f"{_quote(value)} is not of type '{name}'")


def _refuse_match(value: object, pattern: str) -> Never:
    _refuse(f"{_quote(value)} does not match {pattern!r}")


def _refuse_extra(name: str) -> Never:
    text = f"({_quote(name)} was unexpected)"
    _refuse(f"Additional properties are not allowed {text}")


def _refuse_missing(name: str) -> Never:
    _refuse(f"{name!r} is a required property")


def _refuse(text: str) -> Never:
    raise SchemaValidationError(text)


def _quote(value: object) -> str:
    return quote(value, MAX_TEXT // 2)
