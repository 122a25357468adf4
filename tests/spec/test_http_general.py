"""BigchainDB's HTTP specification, sections 1 and 2: routes, writing, headers, parameters, indexes.

The names of the tests have the number of the section that says so.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.ledger.chains import ALICE
from tests.spec.asking import (
    HTML_404,
    JSON,
    WAYS,
    Case,
    Replies,
    answers,
    check,
    named,
    refused,
    spaced,
)
from tests.spec.chain import (
    ABSENT,
    ASSET,
    BACK,
    BLOCKS,
    BOOLEAN,
    MISSING,
    OPERATION,
    bad,
    block,
    link,
)

HTML = "text/html; charset=utf-8"
STREAMS = b"/api/v1/streams/valid_transactions"

ROUTES = {
    "/": "",
    "/api/v1": "",
    "/api/v1/transactions": f"?asset_id={ASSET['id']}",
    f"/api/v1/transactions/{ASSET['id']}": "",
    "/api/v1/outputs": f"?public_key={ALICE.public}",
    "/api/v1/blocks/2": "",
    "/api/v1/blocks": f"?transaction_id={ASSET['id']}",
    "/api/v1/assets": "?search=bicycle",
    "/api/v1/metadata": "?search=fox",
    "/api/v1/validators": "",
}
"""Every route of 1.1, and a query that it answers."""


def general() -> list[Case]:
    case = partial(Case, "1.1")
    cases = []
    for path, query in ROUTES.items():
        for slash in ("", "/") if path != "/" else ("",):
            url = f"{path}{slash}{query}"
            cases += [
                case(f"GET {path}{slash}", url, 200),
                case(f"HEAD {path}{slash}", url, 200, b"", "HEAD"),
                case(f"OPTIONS {path}{slash}", url, 200, b"", "OPTIONS"),
                case(
                    f"DELETE {path}{slash}",
                    url,
                    405,
                    b'{"message": "The method is not allowed for the requested URL."}\n',
                    "DELETE",
                ),
            ]
    for path in ("abc", "-1", "1.0", "latest"):
        at = f"/api/v1/blocks/{path}"
        cases.append(case(f"height {path}", at, 404, holds=HTML_404))
    return cases + [
        case("another path", "/api/v1/nope", 404, holds=HTML_404),
        case("another case", "/api/v1/Blocks/2", 404, holds=HTML_404),
        case("height 01", "/api/v1/blocks/01", 200, holds=b'{"height": 1,'),
        case("percent-escapes", "/api/v1/%62locks/%32", 200, block(2)),
        case(
            "a doubled slash",
            "/api/v1//blocks/2",
            308,
            headers={
                "location": "http://node:9984/api/v1/blocks/2",
                "content-type": HTML,
            },
        ),
    ]


def headers() -> list[Case]:
    page = "http://a.example"
    wants = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-b, content-type, x-a",
    }
    allowed = {
        "access-control-allow-methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
        "access-control-allow-headers": "content-type, x-a, x-b",
    }
    any_origin = {"access-control-allow-origin": "*"}
    echoed = {"access-control-allow-origin": page, "vary": "Origin"}
    case = partial(Case, "1.3")
    return [
        Case("1.2", "compact", "/api/v1", 200, holds=b'{"assets":"/assets/",'),
        Case(
            "1.2",
            "spaced, in ASCII, doubles as Python has them",
            f"/api/v1/transactions/{ASSET['id']}",
            200,
            holds=rb'"asset": {"data": {"\u00e9": [1, 2.5, 1e-07, "\ud83d\ude00"]}},',
            headers={"content-type": JSON},
        ),
        case("no Origin", "/", 200, headers=any_origin),
        case("no Origin, 404", "/nope", 404, headers=any_origin),
        case(
            "an Origin", "/api/v1", 200, headers=echoed, sent_headers={"Origin": page}
        ),
        # Where BigchainDB has its index alone, a browser gets the live page.
        case(
            "an Origin, for the index",
            "/",
            200,
            headers={**echoed, "vary": "Accept, Origin"},
            sent_headers={"Origin": page},
        ),
        case(
            "an Origin, 405",
            "/",
            405,
            method="PUT",
            headers=echoed,
            sent_headers={"Origin": page},
        ),
        case(
            "OPTIONS",
            "/api/v1/transactions",
            200,
            b"",
            "OPTIONS",
            headers={"content-type": HTML, "allow": "GET, HEAD, OPTIONS, POST"},
        ),
        case(
            "a preflight",
            "/api/v1/transactions",
            200,
            b"",
            "OPTIONS",
            headers={**echoed, **allowed},
            sent_headers={"Origin": page, **wants},
        ),
        case(
            "a broken body of a GET",
            "/api/v1/blocks/2",
            200,
            block(2),
            sent=b"{broken",
            sent_headers={"Content-Type": JSON},
        ),
    ]


def parameters() -> list[Case]:
    case = partial(Case, "1.4")
    search, history = "/api/v1/assets", f"/api/v1/transactions?asset_id={ABSENT}"
    outputs = f"/api/v1/outputs?public_key={ALICE.public}"
    bad_operation = bad("operation", OPERATION)
    return [
        case(
            "unknown, strict",
            f"{outputs}&b=1&a=2",
            400,
            spaced({"message": "Unknown arguments: b, a"}),
        ),
        case(
            "unknown, strict blocks",
            "/api/v1/blocks?transaction_id=x&foo=1",
            400,
            spaced({"message": "Unknown arguments: foo"}),
        ),
        case("unknown, not strict", f"{history}&foo=1", 200, b"[]\n"),
        case("unknown, validators", "/api/v1/validators?foo=1", 200),
        case(
            "a bad value before an unknown parameter",
            f"{outputs}&foo=1&spent=x",
            400,
            bad("spent", BOOLEAN),
        ),
        case(
            "twice, the first counts",
            f"{outputs}&spent=false&spent=true",
            200,
            spaced([link(BACK, 0)]),
        ),
        case(
            "twice, each is checked",
            f"{outputs}&spent=false&spent=x",
            400,
            bad("spent", BOOLEAN),
        ),
        case(
            "operation before asset_id",
            "/api/v1/transactions?asset_id=x&last_tx=x&operation=x",
            400,
            bad_operation,
        ),
        case(
            "asset_id before last_tx",
            "/api/v1/transactions?last_tx=x&asset_id=x",
            400,
            bad("asset_id", "Invalid hash"),
        ),
        case(
            "public_key before spent",
            "/api/v1/outputs?spent=x&public_key=x",
            400,
            bad("public_key", "Invalid base58 ed25519 key"),
        ),
        case(
            "limit before an empty search",
            f"{search}?search=&limit=x",
            400,
            bad("limit", "invalid literal for int() with base 10: 'x'"),
        ),
        case(
            "an empty value is a value",
            f"{search}?search=",
            400,
            refused("text_search cannot be empty", 400),
        ),
        *(
            case(f"{path} without {name}", path, 400, bad(name, MISSING))
            for path, name in (
                ("/api/v1/transactions", "asset_id"),
                ("/api/v1/outputs", "public_key"),
                ("/api/v1/blocks", "transaction_id"),
                ("/api/v1/assets", "search"),
                ("/api/v1/metadata", "search"),
            )
        ),
    ]


def index_documents() -> list[Case]:
    return [
        Case(
            "2",
            "/",
            "/",
            200,
            holds=b'"software":"BigchainDB","version":"2.2.2"}',
        ),
        Case("2", "/ has whole paths", "/", 200, holds=b'"/api/v1/outputs/"'),
        Case("2", "/ has the stream", "/", 200, holds=STREAMS),
        Case("2", "/api/v1", "/api/v1/", 200, holds=b'"outputs":"/outputs/"'),
        Case("2", "/api/v1 has the stream", "/api/v1/", 200, holds=STREAMS),
    ]


CASES = [*general(), *headers(), *parameters(), *index_documents()]


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> Replies:
    return answers(tmp_path_factory.mktemp("nodes"), CASES, *BLOCKS[1:])


@named(CASES)
def test_is_answered_as_specified(case: Case, replies: Replies) -> None:
    check(case, replies)


@pytest.mark.parametrize("path", ROUTES)
def test_1_1_head_has_the_length_and_the_final_slash_changes_nothing(
    path: str, replies: Replies
) -> None:
    slashes = ("", "/") if path != "/" else ("",)
    for way in range(len(WAYS)):
        gets, heads = (
            [replies[f"1.1 {method} {path}{slash}"][way] for slash in slashes]
            for method in ("GET", "HEAD")
        )
        assert len({reply.body for reply in gets}) == 1
        for head in heads:
            assert head.headers["content-length"] == str(len(gets[0].body))


def test_1_3_reason_phrases_are_in_capitals(replies: Replies) -> None:
    for name, reason in (
        ("1.1 GET /", b"OK"),
        ("1.1 another path", b"NOT FOUND"),
        ("1.4 unknown, strict", b"BAD REQUEST"),
        ("1.1 DELETE /", b"METHOD NOT ALLOWED"),
    ):
        assert {reply.reason.upper() for reply in replies[name]} == {reason}
