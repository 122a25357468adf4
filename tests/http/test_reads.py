"""GET with parameters, over a real log: what is answered, and what is refused in which order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts.signing import create, encode, transfer
from tests.instant_node import VALIDATOR
from tests.ledger.chains import ALICE, BOB, Engine
from trio_stream.abci.messages import CheckTx
from trio_stream.http import pages
from trio_stream.http.answers import NOT_FOUND, HttpAnswer, spaced
from trio_stream.http.arrays import Streamed
from trio_stream.http.reads import SEARCH_TOO_LONG, Reads, answer_block
from trio_stream.http.threads import Threads
from trio_stream.ledger.application import Application
from trio_stream.log import lookups, search
from trio_stream.log.reader import LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.shown import shown

ASSET = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)], data={"é": 1})
MOVED = transfer(ASSET, ALICE)
BACK = transfer(MOVED, ALICE)
OTHER = create(BOB)
PAPER = {"z": "some paper", "a": [1, {"é": 2.50}]}
NOTE = {"note": "written on it"}
NOTED = create(BOB, data=PAPER, metadata=NOTE)
KEY = ALICE.public
ABSENT = "a" * 64
MISSING = (
    "Missing required parameter in the JSON body or the post body or the query string"
)


async def inline(
    work: Callable[[], object], *, limiter: trio.CapacityLimiter
) -> object:
    """Runs in this thread what would run in another one."""
    async with limiter:
        return work()


class World:
    """A log of three blocks, its reader, and what the routes answer."""

    def __init__(self, log: CommitLog) -> None:
        cache = CandidateCache(1 << 20)
        application = Application(log, cache, version="0")
        self.engine = Engine(application, log)
        self.engine.init_chain(validators=[VALIDATOR])
        for block in ([], [ASSET, OTHER], [MOVED, BACK, NOTED]):
            self.engine.block(*map(encode, block))
        self.reader = LogReader(log.path, cache, run_sync=inline)
        self.reads = Reads(self.reader, application.recent_checks)

    def check(self, transaction: dict[str, Any]) -> None:
        """What the mempool asks of it."""
        self.engine.ask(CheckTx(encode(transaction)))

    async def body(self, route: str, query: str) -> str:
        """The body of a 200, whole or in pieces."""
        answer = await self.get(route, query)
        if isinstance(answer, Streamed):
            return b"".join([piece async for piece in answer]).decode()
        assert answer.status == 200
        return answer.body.decode()

    async def refusal(self, route: str, query: str) -> Any:
        answer = await self.get(route, query)
        assert isinstance(answer, HttpAnswer)
        assert answer.status == 400
        return json.loads(answer.body)["message"]

    def get(self, route: str, query: str) -> Awaitable[HttpAnswer | Streamed]:
        method: Callable[[bytes], Awaitable[HttpAnswer | Streamed]]
        method = getattr(self.reads, route)
        return method(query.encode())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with CommitLog.open(tmp_path) as log:
        world = World(log)
        yield world
        await world.reader.aclose()


def array(*documents: dict[str, Any]) -> str:
    return spaced([shown(encode(each)) for each in documents]).decode()


async def test_a_transaction_by_its_id(world: World) -> None:
    answer = await world.reads.transaction(MOVED["id"])
    assert answer == HttpAnswer(200, spaced(shown(encode(MOVED))))
    assert await world.reads.transaction(ABSENT) is NOT_FOUND


async def test_a_block_by_its_height(world: World) -> None:
    threads = Threads()
    answer = await answer_block(world.reader, 2, threads=threads)
    assert isinstance(answer, HttpAnswer)
    assert json.loads(answer.body) == {"height": 2, "transactions": [ASSET, OTHER]}
    assert await answer_block(world.reader, 99, threads=threads) is NOT_FOUND


# Transactions of an asset


@pytest.mark.parametrize(
    ("query", "documents"),
    [
        ("", [ASSET, MOVED, BACK]),
        ("&operation=CREATE", [ASSET]),
        ("&operation=transfer", [MOVED, BACK]),
        ("&last_tx=true", [BACK]),
        ("&last_tx=FALSE", [ASSET, MOVED, BACK]),
        ("&operation=create&last_tx=True", [ASSET]),
        ("&last_tx=true&last_tx=false", [BACK]),
        ("&foo=bar&Bar=nonsense", [ASSET, MOVED, BACK]),
        ("&limit=1", [ASSET]),
        ("&limit=2", [ASSET, MOVED]),
        ("&limit=99", [ASSET, MOVED, BACK]),
        (f"&after={ASSET['id']}", [MOVED, BACK]),
        (f"&after={MOVED['id']}&limit=1", [BACK]),
        (f"&after={BACK['id']}", []),
        (f"&after={OTHER['id']}&last_tx=true", [BACK]),
        (f"&after={BACK['id']}&last_tx=true", []),
    ],
)
async def test_transactions_of_an_asset(
    query: str, documents: list[dict[str, Any]], world: World
) -> None:
    for asset_id in (ASSET["id"], ASSET["id"].upper()):
        body = await world.body("transactions", f"asset_id={asset_id}{query}")
        assert body == array(*documents)


async def test_an_unknown_asset_has_no_transactions(world: World) -> None:
    for query in (ABSENT, f"{ABSENT}%0A", f"{ABSENT}&last_tx=true"):
        assert await world.body("transactions", f"asset_id={query}") == "[]\n"


def unknown(name: str, meant: str) -> str:
    return f"Unknown arguments: {name}. Did you mean {meant}?"


ASSET_ID = {"asset_id": "Invalid hash"}
OPERATION = {"operation": 'Operation must be "CREATE" or "TRANSFER"'}
LAST_TX = {"last_tx": 'Boolean value must be "true" or "false" (lowercase)'}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", {"asset_id": MISSING}),
        ("asset_id=", ASSET_ID),
        (f"asset_id={ABSENT}&asset_id=x", ASSET_ID),
        (f"asset_id={ABSENT}&operation=", OPERATION),
        (f"asset_id={ABSENT}&operation=VOTE", OPERATION),
        (f"asset_id={ABSENT}&last_tx=1", LAST_TX),
        ("last_tx=1&asset_id=x&operation=x", OPERATION),
        ("last_tx=1&asset_id=x", ASSET_ID),
        ("last_tx=1", {"asset_id": MISSING}),
        (
            f"asset_id={ABSENT}&limit=0",
            {"limit": "Must be a whole number greater than 0"},
        ),
        (f"asset_id={ABSENT}&after=x", {"after": "Invalid hash"}),
        (f"asset_id={ABSENT}&after={ABSENT}", {"after": "No such transaction"}),
        (f"asset_id={ABSENT}&last_tx=x&limit=x", LAST_TX),
        (f"asset_id={ABSENT}&foo=1&Operation=x", unknown("Operation", "operation")),
        (f"asset_id={ABSENT}&limt=1", unknown("limt", "limit")),
        (f"since={ABSENT}&asset_id={ABSENT}", unknown("since", "after")),
        (f"asset_id={ABSENT}&limit=1&foo=1", "Unknown arguments: foo"),
        (f"asset_id={ABSENT}&foo=1&after={OTHER['id']}", "Unknown arguments: foo"),
        (f"asset_id={ABSENT}&last_txx=true&operation=x", OPERATION),
    ],
)
async def test_which_fault_of_transactions_is_named(
    query: str, message: object, world: World
) -> None:
    assert await world.refusal("transactions", query) == message


# Outputs of a key


def outputs(*links: tuple[dict[str, Any], int]) -> str:
    items = [{"transaction_id": each["id"], "output_index": i} for each, i in links]
    return spaced(items).decode()


@pytest.mark.parametrize(
    ("query", "links"),
    [
        ("", [(ASSET, 0), (MOVED, 0), (BACK, 0)]),
        ("&spent=true", [(ASSET, 0), (MOVED, 0)]),
        ("&spent=FALSE", [(BACK, 0)]),
        ("&spent=false&spent=true", [(BACK, 0)]),
        ("&limit=2", [(ASSET, 0), (MOVED, 0)]),
        ("&spent=true&limit=1", [(ASSET, 0)]),
        (f"&after={ASSET['id']}:0", [(MOVED, 0), (BACK, 0)]),
        (f"&after={ASSET['id']}:0&limit=1", [(MOVED, 0)]),
        (f"&after={BACK['id']}:0", []),
    ],
)
async def test_outputs_of_a_key(
    query: str, links: list[tuple[dict[str, Any], int]], world: World
) -> None:
    body = await world.body("outputs", f"public_key={KEY}{query}")
    assert body == outputs(*links)


async def test_a_key_without_outputs(world: World) -> None:
    assert await world.body("outputs", f"public_key={'1' * 43}") == "[]\n"


SPENT = {"spent": 'Boolean value must be "true" or "false" (lowercase)'}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", {"public_key": MISSING}),
        ("spent=x", {"public_key": MISSING}),
        ("public_key=", {"public_key": "Invalid base58 ed25519 key"}),
        ("public_key=x&spent=x&foo=1", {"public_key": "Invalid base58 ed25519 key"}),
        (f"foo=1&public_key={KEY}&spent=", SPENT),
        (f"public_key={KEY}&foo=1&bar=2", "Unknown arguments: foo, bar"),
        (f"public_key={KEY}&unspent=true", "Unknown arguments: unspent"),
        (
            f"public_key={KEY}&limit=x",
            {"limit": "Must be a whole number greater than 0"},
        ),
        (
            f"public_key={KEY}&after=1",
            {"after": "Must be <transaction_id>:<output_index>"},
        ),
        (f"public_key={KEY}&after={ABSENT}:0&x=1", "Unknown arguments: x"),
        (f"public_key={KEY}&after={ABSENT}:0", {"after": "No such transaction"}),
    ],
)
async def test_which_fault_of_outputs_is_named(
    query: str, message: object, world: World
) -> None:
    assert await world.refusal("outputs", query) == message


# Text search


@pytest.mark.parametrize(
    ("route", "query", "body"),
    [
        ("assets", "search=paper", [{"data": PAPER, "id": NOTED["id"]}]),
        ("assets", f"search={OTHER['id']}", [{"data": None, "id": OTHER["id"]}]),
        ("assets", "search=nothing&foo=1", []),
        ("assets", "search=-paper", []),
        (
            "metadata",
            "search=%22written+on%22",
            [{"id": NOTED["id"], "metadata": NOTE}],
        ),
        ("metadata", f"search={OTHER['id']}", [{"id": OTHER["id"], "metadata": None}]),
        ("metadata", "search=paper", []),
    ],
)
async def test_documents_that_a_search_finds(
    route: str, query: str, body: list[object], world: World
) -> None:
    assert await world.body(route, query) == spaced(body).decode()


@pytest.mark.parametrize(
    ("limit", "count"),
    [
        ("0", 2),
        ("1", 1),
        ("-1", 1),
        ("%20%2B1_0%20", 2),
        ("2&limit=1", 2),
        ("9" * 999, 2),
    ],
)
async def test_limits_of_a_search(limit: str, count: int, world: World) -> None:
    query = f"search={OTHER['id']}+paper&limit={limit}"
    assert len(json.loads(await world.body("assets", query))) == count


BAD_LIMIT = "invalid literal for int() with base 10: "


@pytest.mark.parametrize("route", ["assets", "metadata"])
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", {"search": MISSING}),
        ("limit=abc", {"search": MISSING}),
        ("search=&limit=abc", {"limit": BAD_LIMIT + "'abc'"}),
        ("search=x&limit=1&limit=", {"limit": BAD_LIMIT + "''"}),
        ("search=x&limit=1.0", {"limit": BAD_LIMIT + "'1.0'"}),
        ("search=", "text_search cannot be empty"),
        ("search=&search=x", "text_search cannot be empty"),
        ("search=&limits=1", "text_search cannot be empty"),
        ("search=x&foo=1&limits=1", unknown("limits", "limit")),
        ("search=x&count=1", unknown("count", "limit")),
    ],
)
async def test_which_fault_of_a_search_is_named(
    route: str, query: str, message: object, world: World
) -> None:
    assert await world.refusal(route, query) == message


async def test_a_limit_of_thousands_of_digits_is_refused(world: World) -> None:
    message = await world.refusal("assets", f"search=x&limit={'9' * 5_000}")
    nines = "9" * 199
    text = f"invalid literal for int() with base 10: '{nines}…"
    assert message == {"limit": text}


async def test_an_empty_search_is_refused_in_bigchaindb_s_own_form(
    world: World,
) -> None:
    answer = await world.get("assets", "search=")
    assert answer == HttpAnswer(
        400, b'{"message":"text_search cannot be empty","status":400}\n'
    )


async def test_a_search_that_finds_too_much_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SEARCH_SECONDS", 0)
    monkeypatch.setattr(search, "_STEPS", 1)
    assert await world.get("assets", "search=paper") == SEARCH_TOO_LONG


# Arrays of several pages


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("route", "query"),
    [
        ("transactions", f"asset_id={ASSET['id']}"),
        ("transactions", f"asset_id={ABSENT}"),
        ("outputs", f"public_key={KEY}"),
        ("outputs", f"public_key={KEY}&spent=true"),
        ("outputs", f"public_key={KEY}&spent=false"),
        ("outputs", f"public_key={KEY}&limit=2"),
        ("assets", f"search=paper+{ASSET['id']}+{OTHER['id']}"),
        ("metadata", f"search=written+{BACK['id']}+{OTHER['id']}"),
    ],
)
async def test_pages_make_the_same_array(
    route: str, query: str, rows: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await world.body(route, query)
    monkeypatch.setattr(lookups, "PAGE_OUTPUTS", rows)
    monkeypatch.setattr(lookups, "PAGE_TRANSACTIONS", rows)
    monkeypatch.setattr(pages, "PAGE_TRANSACTIONS", rows)
    assert await world.body(route, query) == whole


async def test_a_long_array_is_not_held_as_a_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "PAGE_OUTPUTS", 1)
    answer = await world.get("outputs", f"public_key={KEY}")
    assert isinstance(answer, Streamed)
    pieces = [piece async for piece in answer]
    assert [piece.count(b"output_index") for piece in pieces] == [2, 1, 0]
    with pytest.raises(StopAsyncIteration):
        await anext(answer)


# Blocks and validators


async def test_blocks_that_hold_a_transaction(world: World) -> None:
    for document, body in ((ASSET, "[2]\n"), (BACK, "[3]\n")):
        assert await world.body("blocks", f"transaction_id={document['id']}") == body
    for text in ("", "x", ABSENT, ASSET["id"].upper(), "%00%ff"):
        assert await world.body("blocks", f"transaction_id={text}") == "[]\n"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", {"transaction_id": MISSING}),
        ("status=VALID", {"transaction_id": MISSING}),
        ("transaction_id=x&status=VALID", "Unknown arguments: status"),
    ],
)
async def test_which_fault_of_blocks_is_named(
    query: str, message: object, world: World
) -> None:
    assert await world.refusal("blocks", query) == message


async def test_validators_with_any_parameters(world: World) -> None:
    assert await world.body("validators", "foo=1") == (
        '[{"public_key": {"type": "ed25519-base64", "value":'
        ' "Zr5+Myx6RTMyvZ0Kf32wVfXF7xoGraZtmLOftoEMRzo="}, "voting_power": 10}]\n'
    )


# Statuses


async def status(world: World, transaction: dict[str, Any]) -> Any:
    query = f"transaction_id={transaction['id']}"
    found = json.loads(await world.body("statuses", query))
    assert found.pop("transaction_id") == transaction["id"]
    return found


async def test_the_status_of_what_a_block_committed(world: World) -> None:
    assert await status(world, OTHER) == {
        "status": "committed",
        "position": f"2:1:{OTHER['id'][:8]}",
        "height": 2,
        "index": 1,
    }
    # Engines whose cache is empty check again what is committed.
    world.check(OTHER)
    assert (await status(world, OTHER))["status"] == "committed"


async def test_the_status_of_what_a_block_refused_names_the_block_and_the_reason(
    world: World,
) -> None:
    spent_again = transfer(ASSET, ALICE, metadata={"again": True})
    world.engine.block(encode(create(ALICE, data={"x": 1})), encode(spent_again))
    refused = await status(world, spent_again)
    assert refused.pop("reason")
    assert refused == {
        "status": "refused",
        "by": "block",
        "position": f"4:1:{spent_again['id'][:8]}",
        "height": 4,
        "index": 1,
        "error": "DoubleSpend",
    }


async def test_the_status_of_what_the_check_refused(world: World) -> None:
    spent_again = transfer(ASSET, ALICE, metadata={"again": True})
    assert await status(world, spent_again) == {"status": "unknown"}
    world.check(spent_again)
    refused = await status(world, spent_again)
    assert refused.pop("reason")
    assert refused == {"status": "refused", "by": "check", "error": "DoubleSpend"}


async def test_a_transaction_is_pending_from_its_check_to_its_block(
    world: World,
) -> None:
    document = create(ALICE, data={"x": 1})
    assert await status(world, document) == {"status": "unknown"}
    world.check(document)
    assert await status(world, document) == {"status": "pending"}
    world.engine.block(encode(document))
    assert (await status(world, document))["status"] == "committed"


async def test_what_a_block_refused_may_be_pending_again(world: World) -> None:
    early = transfer(create(ALICE, data={"x": 1}), ALICE)
    asset = create(ALICE, data={"x": 1})
    world.check(asset)
    world.engine.block(encode(early))
    assert (await status(world, early))["status"] == "refused"
    world.engine.block(encode(asset))
    world.check(early)
    assert await status(world, early) == {"status": "pending"}
    # A later block has the last word: it was checked before that.
    rival = transfer(asset, ALICE, metadata={"faster": True})
    world.engine.block(encode(rival), encode(early))
    assert (await status(world, early))["height"] == 6


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", {"transaction_id": MISSING}),
        ("transaction_id=x", {"transaction_id": "Invalid hash"}),
        (f"transaction_id={ABSENT}&foo=1", "Unknown arguments: foo"),
    ],
)
async def test_which_fault_of_statuses_is_named(
    query: str, message: object, world: World
) -> None:
    assert await world.refusal("statuses", query) == message
