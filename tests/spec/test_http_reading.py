"""BigchainDB's HTTP specification, section 3: reading.

The names of the tests have the number of the section that says so.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from tests.ledger.chains import ALICE, BOB, CAROL
from tests.spec.asking import Case, Replies, answers, check, named, refused, spaced
from tests.spec.chain import (
    ABSENT,
    ASSET,
    BACK,
    BLOCKS,
    BOOLEAN,
    MOVED,
    OPERATION,
    OTHER,
    bad,
    block,
    link,
)

NOT_FOUND = b'{"message":"Not found","status":404}\n'


def transactions() -> list[Case]:
    one = partial(Case, "3.1")
    at = "/api/v1/transactions/"
    history = f"/api/v1/transactions?asset_id={ASSET['id']}"
    case = partial(Case, "3.2")
    operation = bad("operation", OPERATION)
    return [
        one("a CREATE", at + ASSET["id"], 200, spaced(ASSET)),
        one("a TRANSFER", at + BACK["id"], 200, spaced(BACK)),
        one("not found", at + ABSENT, 404, NOT_FOUND),
        one("upper case", at + ASSET["id"].upper(), 404, NOT_FOUND),
        one("no id", at + "x", 404, NOT_FOUND),
        case("all", history, 200, spaced([ASSET, MOVED, BACK])),
        case(
            "an id in capitals",
            f"/api/v1/transactions?asset_id={ASSET['id'].upper()}",
            200,
            spaced([ASSET, MOVED, BACK]),
        ),
        case("CREATE", history + "&operation=create", 200, spaced([ASSET])),
        case(
            "TRANSFER",
            history + "&operation=TRANSFER",
            200,
            spaced([MOVED, BACK]),
        ),
        case("the last", history + "&last_tx=True", 200, spaced([BACK])),
        case(
            "the last CREATE",
            history + "&last_tx=true&operation=CREATE",
            200,
            spaced([ASSET]),
        ),
        case(
            "a transfer's own id",
            f"/api/v1/transactions?asset_id={MOVED['id']}",
            200,
            spaced([MOVED]),
        ),
        case("unknown", f"/api/v1/transactions?asset_id={ABSENT}", 200, b"[]\n"),
        case(
            "a newline at the end",
            f"/api/v1/transactions?asset_id={ABSENT}%0A",
            200,
            b"[]\n",
        ),
        *(
            case(
                f"asset_id {text!r}",
                f"/api/v1/transactions?asset_id={text}",
                400,
                bad("asset_id", "Invalid hash"),
            )
            for text in ("", "xyz", "a" * 63, "g" * 64)
        ),
        *(
            case(
                f"operation {text!r}",
                f"{history}&operation={text}",
                400,
                operation,
            )
            for text in ("", "VOTE")
        ),
        *(
            case(
                f"last_tx {text!r}",
                f"{history}&last_tx={text}",
                400,
                bad("last_tx", BOOLEAN),
            )
            for text in ("", "1", "yes")
        ),
    ]


def outputs() -> list[Case]:
    case = partial(Case, "3.3")
    of_alice = f"/api/v1/outputs?public_key={ALICE.public}"
    every = [link(ASSET, 0), link(MOVED, 0), link(BACK, 0)]
    return [
        case("all", of_alice, 200, spaced(every)),
        case("spent", of_alice + "&spent=TRUE", 200, spaced(every[:2])),
        case("unspent", of_alice + "&spent=false", 200, spaced(every[2:])),
        case(
            "of two assets",
            f"/api/v1/outputs?public_key={BOB.public}",
            200,
            spaced([link(ASSET, 1), link(OTHER, 0)]),
        ),
        case("none", f"/api/v1/outputs?public_key={CAROL.public}", 200, b"[]\n"),
        *(
            case(
                f"public_key {text!r}",
                f"/api/v1/outputs?public_key={text}",
                400,
                bad("public_key", "Invalid base58 ed25519 key"),
            )
            for text in ("", "abc", "1" * 42, "1" * 45, "0" * 43)
        ),
        *(
            case(
                f"spent {text!r}",
                f"{of_alice}&spent={text}",
                400,
                bad("spent", BOOLEAN),
            )
            for text in ("", "x")
        ),
        case(
            "unknown argument",
            f"{of_alice}&unspent=true",
            400,
            b'{"message": "Unknown arguments: unspent"}\n',
        ),
    ]


def blocks() -> list[Case]:
    case = partial(Case, "3.4")
    holds = partial(Case, "3.5")
    of = "/api/v1/blocks?transaction_id="
    return [
        case("with transactions", "/api/v1/blocks/3", 200, block(3)),
        case("empty", "/api/v1/blocks/4", 200, block(4)),
        case(
            "of InitChain",
            "/api/v1/blocks/0",
            200,
            b'{"height": 0, "transactions": []}\n',
        ),
        case("above the newest", "/api/v1/blocks/5", 404, NOT_FOUND),
        # The reference's worker is lost by this one; see 6.
        case("above int64", "/api/v1/blocks/9223372036854775808", 404, NOT_FOUND),
        holds(what="one", path=of + ASSET["id"], status=200, body=b"[2]\n"),
        holds(what="none", path=of + ABSENT, status=200, body=b"[]\n"),
        holds(what="any text", path=of + "%00%ff", status=200, body=b"[]\n"),
        holds(what="empty text", path=of, status=200, body=b"[]\n"),
        holds(
            what="status is unknown",
            path=of + "x&status=VALID",
            status=400,
            body=b'{"message": "Unknown arguments: status"}\n',
        ),
    ]


def text_search() -> list[Case]:
    case = partial(Case, "3.6")
    other = [{"data": OTHER["asset"]["data"], "id": OTHER["id"]}]
    noted = [{"id": ASSET["id"], "metadata": ASSET["metadata"]}]
    found: list[tuple[str, str, list[Any]]] = [
        ("assets", "bicycle", other),
        ("assets", "BÍCYCLES", other),
        ("assets", "nothing bicycle", other),
        ("assets", '"red fox"', other),
        ("assets", '"fox red"', []),
        ("assets", "bicycle -fox", []),
        ("assets", "-nothing", []),
        ("assets", "the", []),
        ("assets", "deep", []),
        ("assets", OTHER["id"], other),
        ("assets", MOVED["id"], []),
        ("metadata", "fox", noted),
        ("metadata", "bicycle", []),
        ("metadata", MOVED["id"], [{"id": MOVED["id"], "metadata": None}]),
    ]
    either = f"bicycle {ASSET['id']}"
    return [
        *(
            case(
                f"{what} {text}",
                f"/api/v1/{what}?search={quote(text)}",
                200,
                spaced(body),
            )
            for what, text, body in found
        ),
        *(
            case(
                f"limit {limit}",
                f"/api/v1/assets?search={quote(either)}&limit={limit}",
                200,
            )
            for limit in ("0", "1", "-1", "%2B1")
        ),
        *(
            case(
                f"{what}, empty",
                f"/api/v1/{what}?search=",
                400,
                refused("text_search cannot be empty", 400),
            )
            for what in ("assets", "metadata")
        ),
        *(
            case(
                f"{what}, limit {text!r}",
                f"/api/v1/{what}?search=x&limit={text}",
                400,
                bad("limit", f"invalid literal for int() with base 10: {text!r}"),
            )
            for what in ("assets", "metadata")
            for text in ("abc", "", "1.5")
        ),
    ]


def validators() -> list[Case]:
    body = (
        b'[{"public_key": {"type": "ed25519-base64", "value":'
        b' "Zr5+Myx6RTMyvZ0Kf32wVfXF7xoGraZtmLOftoEMRzo="}, "voting_power": 10}]\n'
    )
    return [Case("3.7", "the newest", "/api/v1/validators", 200, body)]


CASES = [*transactions(), *outputs(), *blocks(), *text_search(), *validators()]


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> Replies:
    return answers(tmp_path_factory.mktemp("nodes"), CASES, *BLOCKS[1:])


@named(CASES)
def test_is_answered_as_specified(case: Case, replies: Replies) -> None:
    check(case, replies)


def test_3_6_limits_are_kept(replies: Replies) -> None:
    for limit, count in (("0", 2), ("1", 1), ("-1", 1), ("%2B1", 1)):
        for reply in replies[f"3.6 limit {limit}"]:
            assert len(json.loads(reply.body)) == count


def test_every_section_is_here() -> None:
    sections = [f"3.{number}" for number in range(1, 8)]
    assert sorted({case.section for case in CASES}) == sections
