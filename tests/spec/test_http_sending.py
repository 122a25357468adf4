"""BigchainDB's HTTP specification, sections 4.1 and 4.2: what is sent, and why it is refused.

The names of the tests have the number of the section that says so.
"""

from __future__ import annotations

import codecs
import copy
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scripts.signing import Document, create, encode, seal, sign, transfer
from tests.instant_node import instant_node
from tests.ledger.chains import ALICE, BOB
from tests.spec.asking import JSON, Case, Replies, answers, ask, check, compact, named

AT = "/api/v1/transactions"
TAKEN = create(ALICE, recipients=[(ALICE, 5)], data={"n": 0})
SPENT = transfer(TAKEN, ALICE)
UNREADABLE = (
    b'{"message": "The browser (or proxy) sent a request that this server could not'
    b' understand."}\n'
)
BAD_MODE = (
    b'{"message": {"mode": "Mode must be \\"async\\", \\"sync\\" or \\"commit\\""}}\n'
)
posted = partial(Case, method="POST")


def fresh() -> Iterator[Document]:
    """Transactions that nobody has sent yet."""
    n = 0
    while True:
        n += 1
        yield create(BOB, data={"n": n, "é": "\U0001f600"})


_FRESH = fresh()


def post(section: str, what: str, sent: bytes, status: int, body: bytes) -> Case:
    return posted(section, what, AT, status, body, sent=sent)


def accepted(
    section: str,
    what: str,
    *,
    mode: str = "",
    media_type: str | None = None,
    encoding: str = "ascii",
    before: bytes = b"",
) -> Iterator[Case]:
    """A fresh transaction is taken, and answered as it was posted."""
    document = next(_FRESH)
    text = json.dumps(document, ensure_ascii=encoding == "ascii")
    yield posted(
        section,
        what,
        AT + mode,
        202,
        compact(document),
        headers={"content-type": JSON},
        sent=before + text.encode(encoding),
        sent_headers={} if media_type is None else {"Content-Type": media_type},
    )


def modes() -> Iterator[Case]:
    for mode in ("async", "sync", "commit"):
        yield from accepted("4.1", f"mode {mode}", mode=f"?mode={mode}")
    yield from accepted("4.1", "no mode")
    yield from accepted("4.1", "other parameters", mode="?foo=x&bar=1")
    for mode in ("", "x", "COMMIT", "sync&mode=x"):
        at, body = f"{AT}?mode={mode}", b"no JSON"
        yield posted("4.1", f"mode {mode!r}", at, 400, BAD_MODE, sent=body)
    as_json = {"Content-Type": JSON}
    for value in ("x", 5, ["sync"]):
        sent = json.dumps({"mode": value}).encode()
        yield posted(
            "4.1",
            f"mode {value!r} in a JSON body",
            AT,
            400,
            BAD_MODE,
            sent=sent,
            sent_headers=as_json,
        )


def bodies() -> Iterator[Case]:
    for media_type in (JSON, "text/plain", "image/png"):
        yield from accepted("4.1", media_type, media_type=media_type)
    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-32", "utf-32-be"):
        yield from accepted("4.1", encoding, encoding=encoding)
    yield from accepted("4.1", "a mark", encoding="utf-8", before=codecs.BOM_UTF8)
    yield from accepted("4.1", "blanks", before=b" \r\n\t")
    for media_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        yield posted(
            "4.1",
            media_type,
            AT,
            400,
            UNREADABLE,
            sent=encode(next(_FRESH)),
            sent_headers={"Content-Type": media_type},
        )


def unreadable() -> Iterator[Case]:
    for what, sent in {
        "empty": b"",
        "blank": b" ",
        "cut off": b'{"a"',
        "two values": b"{} {}",
        "no JSON": b"a=1",
        "one byte that is no UTF-8": b'{"a": "\xff"}',
        "a surrogate in UTF-8": b'"\xed\xa0\x80"',
        "half of UTF-16": codecs.BOM_UTF16_LE + b"x",
        "open arrays": b"[" * 400,
    }.items():
        yield post("4.2.2", what, sent, 400, UNREADABLE)


def invalid(what: str, document: Document | bytes, begins: str) -> Case:
    sent = document if isinstance(document, bytes) else encode(document)
    holds = json.dumps(f"Invalid transaction {begins}")[:-1].encode()
    return posted("4.2.3", what, AT, 400, holds=holds, sent=sent)


def invalid_ones() -> Iterator[Case]:
    document = next(_FRESH)
    text = encode(document)
    deep = b'{"a":' * 600 + b"1" + b"}" * 600
    yield invalid("an empty object", {}, "(")
    yield invalid("a list", b"[]", "(")
    yield invalid("null", b"null", "(")
    yield invalid("a member too many", seal({**document, "x": 1}), "schema: ")
    yield invalid("another version", seal({**document, "version": "1.0"}), "schema: ")
    yield invalid("changed", {**document, "metadata": {"a": 1}}, "(InvalidHash): ")
    forged = seal({**document, "metadata": {"a": 1}})
    yield invalid("forged", forged, "(InvalidSignature): ")
    yield invalid("deep", deep, "(NestingTooDeep): ")
    yield invalid(
        "deeper than any stack", b"[" * 300_000 + b"]" * 300_000, "(NestingTooDeep): "
    )
    yield invalid("NaN", text.replace(b'"metadata": null', b'"metadata": NaN'), "")
    for what, number in {
        "an integer of 400 digits": b"9" * 400,
        "an integer of 100,000 digits": b"9" * 100_000,
        "a double beyond all": b"1e400",
    }.items():
        huge = text.replace(b'"n":', b'"m": %b, "n":' % number, 1)
        yield invalid(what, huge, "(MalformedTransaction): ")
    beyond = create(BOB, data={"m": 2**64})
    yield invalid("an integer of 65 bits", beyond, "(IntegerOutOfRange): ")
    yield invalid("a lone surrogate", text.replace(b'"n"', b'"\\ud800"', 1), "(")
    twice = text.replace(b'{"inputs"', b'{"version": "1.0", "inputs"', 1)
    yield posted("4.2.3", "a member twice, the last counts", AT, 202, sent=twice)
    twice = text[:-1] + b', "version": "1.0"}'
    yield invalid("a member twice, the last is wrong", twice, "(InvalidHash): ")


def against_the_state() -> Iterator[Case]:
    def case(what: str, document: Document, name: str) -> Case:
        holds = b'{"message":"Invalid transaction (%b' % name.encode()
        return posted("4.2.4", what, AT, 400, holds=holds, sent=encode(document))

    far = transfer(SPENT, ALICE)
    far["inputs"][0]["fulfills"]["output_index"] = 7
    rival = partial(transfer, TAKEN, ALICE)
    yield case("again", TAKEN, "DuplicateTransaction")
    yield case("a transfer again", SPENT, "DoubleSpend")
    yield case("spent", rival(metadata={"a": 1}), "DoubleSpend")
    yield case("of nothing", transfer(next(_FRESH), BOB), "InputDoesNotExist")
    yield case("too much", transfer(SPENT, ALICE, recipients=[(BOB, 6)]), "AmountError")
    yield case("by another", transfer(SPENT, BOB), "InvalidSignature")
    # No verdict in the reference, which then loses a worker; see 6.
    yield case("of an output that is not there", sign(far, ALICE), "OutputIndex")


CASES = [
    *modes(),
    *bodies(),
    *unreadable(),
    *invalid_ones(),
    *against_the_state(),
    # The reference has no limit.
    posted("4.1", "over the limit", AT, 413, holds=b"{", sent=b" " * 1_100_000),
]


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> Replies:
    return answers(tmp_path_factory.mktemp("nodes"), CASES, [TAKEN, SPENT])


@named(CASES)
def test_is_answered_as_specified(case: Case, replies: Replies) -> None:
    check(case, replies)


# Wrong types, one after the other


WRONG: tuple[object, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, "", "x", [], {}, [[]], [None], {"": None}),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside of a value."""
    if path:
        yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from places(each, (*path, index))


def with_wrong_types() -> Iterator[bytes]:
    """A transfer with one value changed, and once more with the id that it then deserves."""
    template = transfer(SPENT, ALICE, metadata={"a": [1]})
    for path in places(template):
        for wrong in WRONG:
            document = copy.deepcopy(template)
            inner: Any = document
            for step in path[:-1]:
                inner = inner[step]
            if inner[path[-1]] == wrong:
                continue
            inner[path[-1]] = wrong
            yield encode(document)
            if path != ("id",):
                yield encode(seal(document))


@pytest.mark.slow
async def test_4_2_3_no_wrong_type_is_an_error_of_ours(tmp_path: Path) -> None:
    async with instant_node(tmp_path) as node:
        node.block(encode(TAKEN), encode(SPENT))
        asked = 0
        for sent in with_wrong_types():
            case = posted("4.2.3", "a wrong type", AT, 400, sent=sent)
            reply = await ask(node.http_url, case, {})
            assert reply.status == 400, (sent, reply.body)
            assert b'"message":"Invalid transaction' in reply.body
            asked += 1
    assert asked > 500
