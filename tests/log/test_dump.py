"""Imports of a BigchainDB node's database: the same chain, or what is wrong with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.signing import Document, create, encode, transfer
from tests.conftest import VECTORS
from tests.election_records import Records
from tests.ledger.chains import ALICE, BOB, new_engine
from tests.mongodb.test_extended_json import plain
from tests.mongodb.tools import (
    JSON,
    to_archive,
    to_lines,
    write_mongodump,
    write_mongoexport,
)
from tests.reference_chain import TIP, commit_reference
from tests.reference_database import (
    Block,
    Database,
    database,
    database_of,
    record_of,
    reference_database,
)
from tests.voting import GENESIS, KEYS, NEWCOMER, SET, election, migration, vote
from trio_stream.abci.messages import ValidatorUpdate
from trio_stream.log.digest import digest
from trio_stream.log.dump_store import NAME
from trio_stream.log.errors import CannotImport
from trio_stream.log.export import export
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.imports import Imported, import_log
from trio_stream.log.verify import verify
from trio_stream.log.writer import CommitLog

CHAIN_ID = "test-chain"


def digest_of(path: Path, height: int | None = None) -> str:
    with closing(open_for_reading(path)) as connection:
        return digest(connection, path, height=height).digest


def import_database(
    made: Database, tmp_path: Path, height: int | None = None
) -> Imported:
    source = write_mongodump(tmp_path / "dump", made)
    home = tmp_path / "home"
    try:
        return import_log(source, home, height=height, same_chain=True)
    finally:
        left = {each.name for each in home.iterdir()} - {FILE_NAME}
        assert left == {"lock"}


class Node:
    """An engine with a log of ours, and what a node of BigchainDB would have stored."""

    def __init__(self, log: CommitLog) -> None:
        self.engine = new_engine(store=log)
        self.engine.init_chain(validators=GENESIS)
        self._records = Records(SET)
        self._validators = [record_of(1, [each[1:] for each in SET])]
        self._elections: list[Document] = []
        self._blocks: list[Block] = []
        self._migrated_at = 0

    def block(self, *documents: Document) -> None:
        """A block with these, of which some may be refused."""
        height = self.engine.next_height
        codes, app_hash = self.engine.block(*map(encode, documents))
        accepted = [
            each for each, code in zip(documents, codes, strict=True) if code == 0
        ]
        self._blocks.append(Block(height, app_hash, accepted))
        before, sets = self._records.concluded(), len(self._records.validators)
        self._records.end_block(accepted)
        self._elections += [
            {"election_id": each["id"], "height": height, "is_concluded": False}
            for each in accepted
            if each["operation"].endswith("_ELECTION")
        ]
        for each in sorted(self._records.concluded() - before):
            record = {"election_id": each, "height": height, "is_concluded": True}
            self._elections.append(record)
            kinds = {d["id"]: d["operation"] for b in self._blocks for d in b.accepted}
            if kinds[each] == "CHAIN_MIGRATION_ELECTION":
                self._migrated_at = height
        for at, members in self._records.validators[sets:]:
            self._validators.append(record_of(at, list(members.items())))

    def database(self) -> Database:
        return database(
            CHAIN_ID,
            self._blocks,
            self._validators,
            self._elections,
            self._migrated_at,
        )


def test_the_references_own_chain_has_the_same_digest(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path / "ours") as log:
        commit_reference(log)
    exported = export(log.path, tmp_path / "export")
    ours = import_log(tmp_path / "export", tmp_path / "again")
    made = import_database(reference_database(), tmp_path)
    assert made.digest == exported.digest == ours.digest == digest_of(log.path)
    assert (made.height, made.chain_id) == (TIP, CHAIN_ID)
    assert verify(tmp_path / "home" / FILE_NAME, processes=1).findings == []


def test_recorded_transactions_have_the_same_digest(tmp_path: Path) -> None:
    recorded = json.loads((VECTORS / "golden_http.json").read_text())
    genesis = [
        ValidatorUpdate(
            "ed25519",
            base64.b64decode(each["public_key"]["value"]),
            each["voting_power"],
        )
        for each in recorded["requires"]["validators"]
    ]
    steps = [step for step in recorded["steps"] if "app_hash" in step]
    with CommitLog.open(tmp_path / "ours") as log:
        engine = new_engine(store=log)
        engine.init_chain(validators=genesis)
        for step in steps:
            tx = encode(json.loads(step["request"]["body"]))
            assert engine.block(tx) == ([0], step["app_hash"])
        stored = database_of(log)
    assert stored["elections"]
    assert import_database(stored, tmp_path).digest == digest_of(log.path)


def governed(node: Node) -> None:
    """Elections of both kinds that conclude, one that does not, and refused transactions."""
    first, second = election(seed="1"), election(KEYS[1], power=0, seed="2")
    moving = migration(seed="3")
    asset = create(ALICE, data={"n": [1, 1.0, -0.0, 2**40, 5e-5, "é\u001f"]})
    node.block(asset, first, second, asset)
    node.block()
    node.block(*[vote(first, key) for key in KEYS[:2]], moving)
    node.block(vote(first, KEYS[2]), transfer(asset, ALICE))
    node.block(vote(second, KEYS[0]), transfer(asset, ALICE))
    node.block()
    tokens = [*((key, 10) for key in KEYS), (NEWCOMER, 5)]
    again = migration(seed="4", recipients=tokens)
    node.block(again)
    node.block(*[vote(again, key) for key in KEYS[:3]])


def test_elections_and_a_migration_are_as_they_were(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path / "ours") as log:
        node = Node(log)
        governed(node)
        assert log.migrated_at() == 8
    stored = node.database()
    assert len(stored["elections"]) == 6
    assert len(stored["validators"]) == 2
    made = import_database(stored, tmp_path)
    assert made.digest == digest_of(log.path)
    assert verify(tmp_path / "home" / FILE_NAME, processes=1).findings == []


@pytest.mark.parametrize("height", [1, 3, 4, 5, 8])
def test_it_may_end_earlier(tmp_path: Path, height: int) -> None:
    with CommitLog.open(tmp_path / "ours") as log:
        node = Node(log)
        governed(node)
    made = import_database(node.database(), tmp_path, height)
    assert made.height == height
    assert made.digest == digest_of(log.path, height)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=10,
    deadline=None,
)
@given(st.lists(plain, min_size=1, max_size=6), st.integers(1, 3), st.data())
def test_any_transaction_comes_through(
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[dict[str, Any]],
    size: int,
    data: st.DataObject,
) -> None:
    tmp_path = tmp_path_factory.mktemp("any")
    documents = [
        create(BOB, data={"n": n}, metadata=m or None) for n, m in enumerate(contents)
    ]
    with CommitLog.open(tmp_path / "ours") as log:
        node = Node(log)
        for at in range(0, len(documents), size):
            node.block(*documents[at : at + size])
    exported = export(log.path, tmp_path / "export")
    form = data.draw(st.sampled_from(["bson", "archive", *JSON]))
    source = tmp_path / "source"
    if form == "bson":
        write_mongodump(source, node.database())
    elif form == "archive":
        source.write_bytes(to_archive(node.database()))
    else:
        write_mongoexport(source, node.database(), form, to_lines)
    made = import_log(source, tmp_path / "home")
    assert made.digest == exported.digest


def test_times_are_not_known_and_indexes_count_what_was_accepted(
    tmp_path: Path,
) -> None:
    import_database(reference_database(), tmp_path)
    with closing(open_for_reading(tmp_path / "home" / FILE_NAME)) as log:
        assert log.execute("SELECT DISTINCT seconds, nanos FROM blocks").fetchall() == [
            (0, 0)
        ]
        places = log.execute("SELECT position & 67108863 FROM transactions").fetchall()
        assert max(places) == (1,)
        assert log.execute("SELECT count(*) FROM refused").fetchall() == [(0,)]


def crashed(stored: Database) -> None:
    """The node ended in the middle of the Commit of the next block."""
    pending = create(BOB, data={"is": "pending"})
    asset, metadata = pending.pop("asset"), pending.pop("metadata")
    stored["assets"].append({**asset, "id": pending["id"]})
    stored["metadata"].append({"id": pending["id"], "metadata": metadata})
    stored["pre_commit"] = [{"height": TIP + 1, "transactions": [pending["id"]]}]
    members = stored["validators"][-1]["validators"]
    stored["validators"].append({"height": TIP + 2, "validators": members})
    opened = {"election_id": "e", "height": TIP + 1, "is_concluded": False}
    stored["elections"].append(opened)
    chain = {"height": TIP + 1, "chain_id": "x", "is_synced": False}
    stored["abci_chains"].append(chain)


def test_what_a_crash_left_does_not_matter(tmp_path: Path) -> None:
    stored = reference_database()
    expected = import_database(stored, tmp_path / "1")
    crashed(stored)
    assert import_database(stored, tmp_path / "2") == expected


def test_a_block_that_was_not_recorded_is_not_imported(tmp_path: Path) -> None:
    stored = reference_database()
    expected = import_database(reference_database(TIP - 1), tmp_path / "1")
    # The last that is written of a block; the engine delivers it again.
    del stored["blocks"][-1]
    assert import_database(stored, tmp_path / "2") == expected


Change = Callable[[Database], object]


def _first(stored: Database, operation: str) -> Document:
    return next(
        each for each in stored["transactions"] if each["operation"] == operation
    )


def _drop(name: str, at: int = -1) -> Change:
    return lambda stored: stored[name].pop(at)


def _set(name: str, at: int, **members: object) -> Change:
    return lambda stored: stored[name][at].update(members)


def _add(name: str, **members: object) -> Change:
    return lambda stored: stored[name].append(members)


def _swap_ids(stored: Database) -> None:
    block = next(each for each in stored["blocks"] if len(each["transactions"]) > 1)
    block["transactions"].reverse()


ID = "[0-9a-f]{64}"

DIFFERENCES: list[tuple[Change, str]] = [
    (_set("metadata", 0, metadata={"x": 1}), rf"block 2: transaction 0 \({ID}\) .*InvalidH"),
    (_set("assets", 0, data=None), f"block 2: transaction 0 .{ID}. is not valid: Inv"),
    (lambda s: _first(s, "TRANSFER").update(extra=1), "block 3: transaction 0 .* InvalidHash"),
    (lambda s: s["transactions"][0].update(n=1.0), "block 2: transaction 0 .* InvalidHash"),
    (_drop("metadata", 0), f"transaction {ID} is not in the collection metadata; was the"),
    (_drop("assets", 0), f"transaction {ID} is not in the collection assets; was the node"),
    (_drop("transactions", 0), f"transaction {ID} is not in the collection transactions;"),
    (_drop("blocks", 0), "block 0 is missing"),
    (_drop("blocks", 3), "block 3 is missing"),
    (lambda s: (s["blocks"].pop(), s["pre_commit"].pop()), f"has {ID}, which no block holds"),
    (_set("blocks", 0, app_hash="x"), "block 0 is not empty"),
    (_set("blocks", 2, app_hash="00"), "block 2: its app hash is 00, but what it holds makes"),
    (_swap_ids, "block 2: its app hash is"),
    (lambda s: s["blocks"].clear(), "its chain has no block"),
    (lambda s: s["blocks"].__delitem__(slice(1, None)), "its chain has no block"),
    (_add("transactions", id="z" * 64), "transactions has z+, which no block holds"),
    (_add("assets", id="z" * 64), "assets has z+, which no block holds"),
    (_drop("validators"), "the validators from height 9 on are not those that its blocks"),
    (_drop("validators", 0), "does not say which chain it is of, or whose validators"),
    (_set("validators", 1, height=8), "the validators from height 8 on are not those"),
    (_add("validators", height=TIP + 2, validators=[]), "validators has a record of block 10"),
    (_add("validators", height=TIP + 1, validators=[]), "the validators from height 10 on"),
    (lambda s: s["validators"][1]["validators"].reverse(), "the validators from height 9 on"),
    (_drop("elections"), f"election {ID} concludes in block 8 here"),
    (_drop("elections", 0), f"election {ID} is opened in block 6 here"),
    (_set("elections", 0, height=5), f"election {ID} is opened in block 5 only there"),
    (_add("elections", election_id="e", height=3, is_concluded=True), "e concludes in"),
    (_add("elections", election_id="e", height=10, is_concluded=True), "has a record"),
    (_add("abci_chains", chain_id="x", height=3, is_synced=False), "at height 3, but .* at None"),
    (_add("abci_chains", chain_id="x", height=10, is_synced=False), "chains has a record"),
    (_add("abci_chains", chain_id="x", height=3, is_synced=True), "continued by Bigchain"),
    (_set("abci_chains", 0, is_synced=False), "continued by Bigchain"),
    (_drop("abci_chains"), "does not say which chain it is of"),
    (_set("abci_chains", 0, chain_id=5), "a document of abci_chains is not as it should be"),
    (_set("validators", 0, validators=5), "a document of validators is not as it should be"),
    (_set("validators", 0, validators=[5]), "a document of validators is not as it should"),
    (_set("elections", 0, height="5"), "a document of elections is not as it should be"),
    (_set("pre_commit", 0, height="5"), "a document of pre_commit is not as it should be"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"), DIFFERENCES, ids=[says for _, says in DIFFERENCES]
)
def test_a_difference_is_named(tmp_path: Path, change: Change, says: str) -> None:
    stored = deepcopy(reference_database())
    change(stored)
    with pytest.raises(CannotImport, match=says):
        import_database(stored, tmp_path)
    assert not (tmp_path / "home" / FILE_NAME).exists()


def test_a_key_must_be_base64(tmp_path: Path) -> None:
    stored = deepcopy(reference_database())
    stored["validators"][0]["validators"][0]["public_key"]["value"] = "ä"
    with pytest.raises(CannotImport, match="a document of validators is not as it"):
        import_database(stored, tmp_path)


def test_the_next_chains_name_is_compared(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path / "ours") as log:
        node = Node(log)
        governed(node)
    stored = node.database()
    stored["abci_chains"][1]["chain_id"] = "x"
    says = "the next chain should be 'test-chain-migrated-at-height-7', not 'x'"
    with pytest.raises(CannotImport, match=says):
        import_database(stored, tmp_path)


def test_what_comes_later_is_not_compared_if_the_import_ends_earlier(
    tmp_path: Path,
) -> None:
    stored = reference_database()
    del stored["metadata"][-1], stored["elections"][-1], stored["validators"][-1]
    made = import_database(stored, tmp_path, 7)
    assert made.height == 7


def test_what_a_killed_import_left_goes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / NAME).write_bytes(b"half of it")
    import_database(reference_database(), tmp_path)
