"""The texts of refusals, letter by letter: they are stored and streamed, the same on every node.

Neither the version of Python nor that of a library may show: run with each that is supported.
"""

from __future__ import annotations

import json

import pytest

from scripts.signing import create, encode, seal, transfer
from tests.transactions.documents import ALICE, sealed, with_details
from tests.transactions.states import State
from trio_stream.transactions.candidate import Candidate
from trio_stream.transactions.errors import ValidationError
from trio_stream.transactions.rules import validate

# Python 3.11 does not know them, 3.12 and 3.14 do.
NEW = "\U0001f6dc\u1c89"
SCHEMA = "SchemaValidationError"
EXTRA = "Additional properties are not allowed"
OPERATIONS = (
    "['CREATE', 'TRANSFER', 'VALIDATOR_ELECTION', 'CHAIN_MIGRATION_ELECTION', 'VOTE']"
)
NAME = 'The key name cannot contain characters ".", "$" or null characters'
RENAME = (
    "If you do not understand this error message then please rename key/field"
    ' "language" to something else like "lang".'
)


def text(body: str) -> bytes:
    return body.encode("utf-8", "surrogatepass")


def output(**changes: object) -> bytes:
    document = create(ALICE)
    document["outputs"][0].update(changes)
    return encode(seal(document))


def signed_by_nobody(**changes: object) -> bytes:
    return encode(sealed(**changes))


def data(value: object) -> bytes:
    return signed_by_nobody(asset={"data": value})


IDS: list[tuple[object, str]] = [
    (None, "None"),
    (True, "True"),
    (1.5, "1.5"),
    (1e16, "1e+16"),
    (10**30, "1" + "0" * 30),
    (NEW, NEW),
    ([NEW, "it's"], f"['{NEW}', \"it's\"]"),
    ({"\x7f": [[]]}, r"{'\x7f': [[]]}"),
]
TABLE: list[tuple[bytes, str, str]] = [
    *(
        (raw, "MalformedTransaction", "not a JSON value")
        for raw in map(
            text,
            (
                *("", " ", "nonsense", "{", "[1,]", '{"a": 1,}', '{"a" 1}', "{a: 1}"),
                *("'a'", '"a', '"\t"', r'"\x"', r'"\u12"', "+1", ".5"),
                *("tru", "nan", "\ufeff{}", "[1 2]", '{"a": }', '{"a", }', "[,]"),
            ),
        )
    ),
    *(
        (raw, "MalformedTransaction", "more than one JSON value")
        for raw in (b"{} {}", b"01", b"1.", b"[1]]")
    ),
    (b"\xff", "MalformedTransaction", "not UTF-8"),
    (b"[]", "MalformedTransaction", "not a JSON object"),
    (b'"a"', "MalformedTransaction", "not a JSON object"),
    (b'{"a": NaN}', "MalformedTransaction", "a number is not finite"),
    (b'{"a": 1e999}', "MalformedTransaction", "a number is not finite"),
    (b'{"a": ' + b"9" * 5_000 + b"}", "MalformedTransaction", "a number is not finite"),
    (rb'{"a": "\ud800"}', "MalformedTransaction", "a string holds a lone surrogate"),
    (b"[" * 491, "NestingTooDeep", "more than 490 levels of JSON"),
    (b"{}", "InvalidHash", "No transaction id found!"),
    *(
        (
            encode({"id": value}),
            "InvalidHash",
            f"The transaction's id '{shown}' isn't equal to the hash of its body, i.e. it's"
            " not valid.",
        )
        for value, shown in IDS
    ),
    (
        signed_by_nobody(extra=1),
        SCHEMA,
        f"{EXTRA} ('extra' was unexpected)",
    ),
    (
        signed_by_nobody(**{NEW: 1}),
        SCHEMA,
        f"{EXTRA} ('{NEW}' was unexpected)",
    ),
    (encode(seal({"id": None})), SCHEMA, "'inputs' is a required property"),
    (
        signed_by_nobody(operation=NEW),
        SCHEMA,
        f"'{NEW}' is not one of {OPERATIONS}",
    ),
    (
        signed_by_nobody(operation=[1.0, None]),
        SCHEMA,
        "[1.0, None] is not of type 'string'",
    ),
    (signed_by_nobody(version="2.0\n"), SCHEMA, r"'2.0\n' does not match '^2\\.0$'"),
    (signed_by_nobody(metadata={}), SCHEMA, "{} does not have enough properties"),
    (signed_by_nobody(metadata=[NEW]), SCHEMA, f"['{NEW}'] is not of type 'object'"),
    (signed_by_nobody(inputs=[]), SCHEMA, "[] is too short"),
    (signed_by_nobody(inputs=NEW), SCHEMA, f"'{NEW}' is not of type 'array'"),
    (output(amount=NEW), SCHEMA, f"'{NEW}' does not match '^[0-9]{{1,20}}$'"),
    (output(amount=1), SCHEMA, "1 is not of type 'string'"),
    (output(amount="0"), "AmountError", "`amount` must be greater than 0"),
    (output(amount="9" * 20), "AmountError", "`amount` must be <= 9000000000000000000"),
    (
        output(public_keys=[NEW]),
        SCHEMA,
        f"'{NEW}' does not match '[1-9a-zA-Z^OIl]{{43,44}}'",
    ),
    (output(public_keys=["a" * 3_000, None]), SCHEMA, "None is not of type 'string'"),
    (
        output(public_keys="\u200b" * 3_000),
        SCHEMA,
        "'" + r"\u200b" * 166 + r"\u2…" + " is not of type 'array'",
    ),
    (
        encode(with_details({"type": "ed25519-sha-256", "public_key": "1" * 44})),
        "InvalidPublicKey",
        "Public key should be of size 32 bytes",
    ),
    (
        data({"a.b": 1}),
        "ValidationError",
        f'Invalid key name "a.b" in asset object. {NAME}',
    ),
    (
        data({f"${NEW}": 1}),
        "ValidationError",
        f'Invalid key name "${NEW}" in asset object. {NAME}',
    ),
    *(
        (
            data({"language": value}),
            "ValidationError",
            "MongoDB does not support text search for the language "
            f'"{shown}". {RENAME}',
        )
        for value, shown in [
            ("klingon", "klingon"),
            ([NEW], f"['{NEW}']"),
            (None, "None"),
            ({"a": 1e-7}, "{'a': 1e-07}"),
        ]
    ),
    (
        data({"n": 2**63}),
        "IntegerOutOfRange",
        "9223372036854775808 does not fit into 64 bits",
    ),
    (data({"n": 5e-324}), "SubnormalDouble", "5e-324 is too close to zero"),
    (
        signed_by_nobody(metadata={"a": 1}),
        "InvalidSignature",
        "Transaction signature is invalid.",
    ),
    (
        encode(transfer(create(ALICE), ALICE)),
        "InputDoesNotExist",
        f"input `{create(ALICE)['id']}` doesn't exist",
    ),
]


@pytest.mark.parametrize(("raw", "error", "said"), TABLE, ids=range(len(TABLE)))
def test_a_refusal_says(raw: bytes, error: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate(Candidate(raw, b""), State())
    assert (type(refused.value).__name__, str(refused.value)) == (error, said)


def test_the_table_covers_what_quotes() -> None:
    assert len({error for _, error, _ in TABLE}) > 9
    assert json.dumps(NEW) == r'"\ud83d\udedc\u1c89"'
