"""Blocks judged again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from scripts.signing import create, encode, seal, sign, transfer
from tests.ledger.chains import ALICE, BOB, TIME, MemoryStore, new_engine
from tests.reference_chain import CHAIN, GENESIS, TIP, txs_of
from trio_stream.ledger import recorded as recorded_module
from trio_stream.ledger.block import RefusedTransaction
from trio_stream.ledger.recorded import NotAsRecorded, RecordedBlock, rebuild

FORGED = seal({**create(BOB), "metadata": {"changed": "after it was signed"}})
REFUSED = RefusedTransaction(0, b"\x01" * 32, None, "DoubleSpend", "because")


@pytest.fixture
def store() -> MemoryStore:
    engine = new_engine()
    engine.block(encode(create(ALICE)))
    return engine.memory


def hash_before(store: MemoryStore) -> str:
    return store.blocks[-1].app_hash


def test_the_references_chain_is_rebuilt_as_it_was() -> None:
    engine = new_engine()
    engine.init_chain(chain_id=CHAIN["chain_id"], validators=GENESIS)
    for height in range(1, TIP + 1):
        engine.block(*txs_of(height))
    original, again = engine.memory, MemoryStore()
    chain = original.chain()
    assert chain is not None
    again.begin_chain(chain)
    app_hash = chain.start_hash
    for block in original.blocks:
        both = [(each.index, each.raw) for each in block.accepted]
        contents: list[tuple[int, bytes | RefusedTransaction]] = [
            *both,
            *((each.index, each) for each in block.refused),
        ]
        contents.sort(key=lambda each: each[0])
        recorded = RecordedBlock(
            block.height, block.time, block.app_hash, [each for _, each in contents]
        )
        rebuilt = rebuild(recorded, again, app_hash)
        assert rebuilt == block
        again.append(rebuilt)
        app_hash = rebuilt.app_hash


def test_what_was_refused_keeps_its_place(store: MemoryStore) -> None:
    tx = encode(create(BOB))
    engine = new_engine(store=store)
    _, app_hash = engine.block(tx)
    block = store.blocks.pop()
    recorded = RecordedBlock(2, TIME, app_hash, [REFUSED, REFUSED])
    with pytest.raises(NotAsRecorded, match="block 2: its app hash is"):
        rebuild(recorded, MemoryStore(), hash_before(store))
    fresh = MemoryStore()
    rebuilt = rebuild(
        RecordedBlock(2, TIME, app_hash, [REFUSED, tx, REFUSED]),
        fresh,
        hash_before(store),
    )
    assert [each.index for each in rebuilt.accepted] == [1]
    assert rebuilt.refused == [REFUSED, replace(REFUSED, index=2)]
    assert rebuilt.accepted[0]._replace(index=0) == block.accepted[0]


@pytest.mark.parametrize(
    ("tx", "says"),
    [
        (b"{", r"transaction 0 \(without an id\) is not valid: MalformedTransaction"),
        (encode({**create(BOB), "metadata": {"x": 1}}), "not valid: InvalidHash"),
        (encode(FORGED), "not valid: InvalidSignature"),
        (encode(transfer(create(BOB), BOB)), "not valid: InputDoesNotExist"),
    ],
)
def test_what_is_not_valid_is_named(store: MemoryStore, tx: bytes, says: str) -> None:
    with pytest.raises(NotAsRecorded, match=says) as caught:
        rebuild(RecordedBlock(2, TIME, "", [tx]), store, hash_before(store))
    claimed = json.loads(tx)["id"] if tx != b"{" else "without"
    assert claimed in str(caught.value)


def test_signatures_need_not_be_verified(store: MemoryStore) -> None:
    spent = sign(transfer(FORGED, BOB), ALICE)
    recorded = RecordedBlock(2, TIME, "", [encode(FORGED)])
    with pytest.raises(NotAsRecorded, match="app hash"):
        rebuild(recorded, store, hash_before(store), signatures=False)
    # Whose key it is that spends an output is known without them.
    recorded = RecordedBlock(2, TIME, "", [encode(FORGED), encode(spent)])
    with pytest.raises(NotAsRecorded, match="transaction 1 .*InvalidSignature"):
        rebuild(recorded, store, hash_before(store), signatures=False)


def test_a_block_has_an_end(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_module, "MAX_TRANSACTIONS", 2)
    with pytest.raises(NotAsRecorded, match="block 2 has too many transactions"):
        rebuild(RecordedBlock(2, TIME, "", [REFUSED] * 3), store, hash_before(store))


def test_an_app_hash_is_shown_as_it_is(store: MemoryStore) -> None:
    with pytest.raises(
        NotAsRecorded, match="is empty, but what it holds makes [0-9a-f]"
    ):
        rebuild(RecordedBlock(2, TIME, "", []), store, hash_before(store))
    other = hashlib.sha256(b"").hexdigest()
    with pytest.raises(NotAsRecorded, match=f"is {other}, but .* makes an empty one"):
        rebuild(RecordedBlock(1, TIME, other, []), MemoryStore(), "")
