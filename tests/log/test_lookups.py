"""Look-ups of outputs, assets, blocks and validators, over real logs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from scripts.signing import Document, create, encode, sign, transfer
from tests.history import accepted_of, asset_of, commit_blocks
from tests.ledger.chains import ALICE, BOB, CAROL, Engine, new_engine
from trio_stream.log import lookups
from trio_stream.log.file import open_for_reading
from trio_stream.log.lookups import (
    BEGINNING,
    Cursor,
    TransactionsPage,
    block_page,
    last_transaction,
    outcome,
    outputs_page,
    transactions_page,
)
from trio_stream.log.writer import CommitLog
from trio_stream.stream.events import CommitEvent, RefusalEvent
from trio_stream.stream.position import Position

BLOCKS = 12
DOCUMENTS = [each for h in range(1, BLOCKS + 1) for each in accepted_of(h)]
ALL = 1 << 62


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    """Twelve blocks of the history."""
    with CommitLog.open(tmp_path_factory.mktemp("log")) as log:
        commit_blocks(log, BLOCKS)
        connection = open_for_reading(log.path)
        yield connection
        connection.close()


class Chain:
    """A log that grows, and a connection that reads it."""

    def __init__(self, engine: Engine, connection: apsw.Connection) -> None:
        self._engine = engine
        self.connection = connection

    def block(self, *documents: Document) -> None:
        codes, _ = self._engine.block(*map(encode, documents))
        assert not any(codes)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    with CommitLog.open(tmp_path) as log:
        connection = open_for_reading(log.path)
        yield Chain(new_engine(store=log), connection)
        connection.close()


def spent_links(documents: list[Document]) -> set[tuple[str, int]]:
    return {
        (each["fulfills"]["transaction_id"], each["fulfills"]["output_index"])
        for document in documents
        for each in document["inputs"]
        if each["fulfills"]
    }


def expected_outputs(key: str, spent: bool | None) -> list[dict[str, object]]:
    used = spent_links(DOCUMENTS)
    return [
        {"transaction_id": document["id"], "output_index": index}
        for document in DOCUMENTS
        for index, output in enumerate(document["outputs"])
        if key in output["public_keys"]
        if spent is None or spent == ((document["id"], index) in used)
    ]


def all_outputs(
    connection: apsw.Connection,
    key: str,
    spent: bool | None,
    between: Callable[[], None] = lambda: None,
) -> list[dict[str, object]]:
    """All pages, joined as an array is."""
    found, after, pages = [], BEGINNING, 0
    while True:
        page = outputs_page(key, spent, after, ALL, connection)
        items = json.loads(f"[{page.text}]")
        assert len(items) == page.number
        found += items
        pages += 1
        if page.next is None:
            return found
        after = page.next
        between()


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 2_000])
@pytest.mark.parametrize("spent", [None, True, False])
@pytest.mark.parametrize("key", [ALICE.public, BOB.public, CAROL.public])
def test_outputs_are_those_of_the_key_in_the_order_of_storage(
    key: str,
    spent: bool | None,
    rows: int,
    reading: apsw.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookups, "PAGE_OUTPUTS", rows)
    assert all_outputs(reading, key, spent) == expected_outputs(key, spent)


def test_a_limit_is_kept(reading: apsw.Connection) -> None:
    every = expected_outputs(ALICE.public, False)
    for limit in range(1, len(every) + 2):
        page = outputs_page(ALICE.public, False, BEGINNING, limit, reading)
        assert json.loads(f"[{page.text}]") == every[:limit]


def test_outputs_go_on_after_one(reading: apsw.Connection) -> None:
    every = expected_outputs(ALICE.public, None)
    for count, item in enumerate(every, start=1):
        position = lookups.position_of(str(item["transaction_id"]), reading)
        assert position is not None
        after = Cursor(position, int(str(item["output_index"])))
        page = outputs_page(ALICE.public, None, after, ALL, reading)
        assert json.loads(f"[{page.text}]") == every[count:]


def test_a_key_must_stand_in_the_condition_too(chain: Chain) -> None:
    only_listed = create(ALICE, recipients=[(ALICE, 1)])
    only_listed["outputs"][0]["public_keys"] = [BOB.public]
    chain.block(sign(only_listed, ALICE))
    for key in (ALICE, BOB):
        assert all_outputs(chain.connection, key.public, None) == []


def test_pages_are_of_the_state_that_the_first_one_saw(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = [create(ALICE, data={"n": n}) for n in range(4)]
    chain.block(*assets)
    monkeypatch.setattr(lookups, "PAGE_OUTPUTS", 1)
    left = list(assets)

    def meanwhile() -> None:
        if left:
            chain.block(transfer(left.pop(), ALICE))

    unspent = all_outputs(chain.connection, ALICE.public, False, meanwhile)
    ids = [each["id"] for each in assets]
    assert [each["transaction_id"] for each in unspent] == ids
    spent = all_outputs(chain.connection, ALICE.public, True)
    assert [each["transaction_id"] for each in spent] == ids


def test_no_outputs_in_a_log_without_blocks(chain: Chain) -> None:
    page = outputs_page(ALICE.public, None, BEGINNING, ALL, chain.connection)
    assert page == ("", 0, None)


# Transactions of an asset


def history_of(asset: Document) -> list[Document]:
    return [
        each
        for each in DOCUMENTS
        if asset["id"] in (each["id"], each["asset"].get("id"))
    ]


def all_transactions(
    connection: apsw.Connection, asset_id: str, operation: str | None
) -> list[Document]:
    found, after = [], BEGINNING
    while True:
        page = transactions_page(asset_id, operation, after, ALL, connection)
        found += [json.loads(raw) for raw in page.raws]
        if page.next is None:
            return found
        after = page.next


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (100, 1), (100, 1 << 20)])
@pytest.mark.parametrize("height", [1, 2, 4, 11])
def test_the_history_of_an_asset(
    height: int,
    rows: int,
    size: int,
    reading: apsw.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookups, "PAGE_TRANSACTIONS", rows)
    monkeypatch.setattr(lookups, "PAGE_BYTES", size)
    asset = asset_of(height)
    history = history_of(asset)
    for operation in (None, "CREATE", "TRANSFER"):
        wanted = [each for each in history if operation in (None, each["operation"])]
        assert all_transactions(reading, asset["id"], operation) == wanted
        last = last_transaction(asset["id"], operation, BEGINNING, reading)
        assert [json.loads(raw) for raw in last.raws] == wanted[-1:]
        assert last.next is None


def test_the_id_of_a_transfer_is_not_an_asset_but_finds_the_transfer(
    reading: apsw.Connection,
) -> None:
    moved = accepted_of(2)[1]
    assert moved["operation"] == "TRANSFER"
    assert all_transactions(reading, moved["id"], None) == [moved]
    for operation in ("CREATE", "TRANSFER"):
        assert all_transactions(reading, moved["id"], operation) == []


def test_a_history_goes_on_after_one_and_keeps_its_limit(chain: Chain) -> None:
    documents = [create(ALICE)]
    for _ in range(5):
        documents.append(transfer(documents[-1], ALICE))
    chain.block(*documents)
    for count, document in enumerate(documents, start=1):
        position = lookups.position_of(document["id"], chain.connection)
        assert position is not None
        for limit in (1, 2, 9):
            page = transactions_page(
                documents[0]["id"], None, Cursor(position), limit, chain.connection
            )
            shown = [json.loads(raw) for raw in page.raws]
            assert shown == documents[count : count + limit]
        newest = last_transaction(
            documents[0]["id"], None, Cursor(position), chain.connection
        )
        assert len(newest.raws) == (count < len(documents))


def test_what_comes_later_is_not_on_later_pages(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "PAGE_TRANSACTIONS", 1)
    asset = create(ALICE)
    moved = transfer(asset, ALICE)
    chain.block(asset, moved)
    first = transactions_page(asset["id"], None, BEGINNING, ALL, chain.connection)
    chain.block(transfer(moved, ALICE))
    assert first.next is not None
    second = transactions_page(asset["id"], None, first.next, ALL, chain.connection)
    assert [*map(json.loads, second.raws)] == [moved]
    assert second.next is None


# Blocks and validators


def test_the_block_of_a_transaction(reading: apsw.Connection) -> None:
    for height in (1, 7, 12):
        for document in accepted_of(height):
            assert lookups.heights_with(document["id"], reading) == [height]
            place = lookups.position_of(document["id"], reading)
            assert place is not None and Position.of_key(place).height == height


def test_a_block_is_its_accepted_transactions(reading: apsw.Connection) -> None:
    for height in range(1, BLOCKS + 1):
        raws = [encode(document) for document in accepted_of(height)]
        page = block_page(height, BEGINNING, reading)
        assert page == TransactionsPage(raws, None)
    assert block_page(0, BEGINNING, reading) == TransactionsPage([], None)
    for above in (BLOCKS + 1, 2**64):
        assert block_page(above, BEGINNING, reading) is None


def test_a_block_is_read_in_pages(
    reading: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "PAGE_TRANSACTIONS", 1)
    raws = [encode(document) for document in accepted_of(2)]
    assert len(raws) > 1
    read: list[bytes] = []
    after: Cursor | None = BEGINNING
    while after is not None:
        page = block_page(2, after, reading)
        assert page is not None
        read += page.raws
        after = page.next
    assert read == raws


def test_heights_before_the_first_block_are_empty(tmp_path: Path) -> None:
    empty = TransactionsPage([], None)
    with CommitLog.open(tmp_path) as log:
        connection = open_for_reading(log.path)
        assert block_page(0, BEGINNING, connection) is None
        engine = new_engine(store=log)
        assert block_page(0, BEGINNING, connection) == empty
        engine.init_chain(initial_height=10)
        engine.block()
        assert block_page(9, BEGINNING, connection) == empty
        assert block_page(11, BEGINNING, connection) is None
        connection.close()


def test_the_outcome_of_an_id_is_what_became_of_it_in_a_block(tmp_path: Path) -> None:
    asset = create(ALICE)
    moved = transfer(asset, ALICE)
    with CommitLog.open(tmp_path) as log:
        connection = open_for_reading(log.path)
        engine = new_engine(store=log)
        engine.block(encode(moved))
        engine.block(b"no", encode(moved))
        refused = outcome(moved["id"], connection)
        assert isinstance(refused, RefusalEvent)
        assert (refused.height, refused.index) == (2, 1)
        assert refused.error == "InputDoesNotExist"
        assert refused.tx_sha256 == hashlib.sha256(encode(moved)).digest()

        engine.block(encode(asset), encode(moved), encode(moved))
        # That it came again, and was refused, does not undo it.
        committed = outcome(moved["id"], connection)
        assert committed == CommitEvent(
            3, 1, asset["id"], moved["id"], refused.tx_sha256, "TRANSFER"
        )
        connection.close()


def test_a_transaction_over_the_limit_is_not_read(reading: apsw.Connection) -> None:
    document = accepted_of(2)[0]
    raw = encode(document)
    assert lookups.body(document["id"], len(raw), reading) == raw
    assert lookups.body(document["id"], len(raw) - 1, reading) == b""


@pytest.mark.parametrize("text", ["", "x", "a" * 64, "\udc00", "A" * 64, "a" * 65])
def test_no_block_has_an_unknown_transaction(
    text: str, reading: apsw.Connection
) -> None:
    assert lookups.heights_with(text, reading) == []
    assert lookups.position_of(text, reading) is None
    assert lookups.body(text, ALL, reading) is None
    assert outcome(text, reading) is None


def test_the_newest_set_of_validators_counts(chain: Chain, tmp_path: Path) -> None:
    assert lookups.latest_validators(chain.connection) == []
    database = apsw.Connection(str(tmp_path / "log.db"))
    database.execute(
        "INSERT INTO validators VALUES"
        " (1, 0, 'ed25519', x'01', 10), (9, 1, 'ed25519', x'03', 1),"
        " (9, 0, 'ed25519', x'02', 3)"
    )
    database.close()
    assert lookups.latest_validators(chain.connection) == [
        ("ed25519", b"\x02", 3),
        ("ed25519", b"\x03", 1),
    ]
