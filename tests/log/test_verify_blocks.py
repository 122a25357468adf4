"""A check of blocks finds each row that does not follow from the transactions."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path

import pytest

from scripts.signing import create, encode, seal, transfer
from tests.history import accepted_of, app_hash_of, asset_of
from tests.ledger.chains import ALICE, TIME, new_engine
from tests.log.tampering import BLOCKS, edit, tamper, written
from trio_stream.ledger.block import Block, Chain, Continued, next_app_hash
from trio_stream.ledger.genesis import START_HASHES
from trio_stream.ledger.rows import rows_of
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.verify_blocks import Checked, check_blocks
from trio_stream.log.verify_file import MOST_FINDINGS
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.model import parse

AT = (7 << 26) + 0
"""The first transaction of block 7, a CREATE whose first output block 8 spends."""
SECOND = (7 << 26) + 2
"""The second accepted one: a TRANSFER of block 6's asset."""
LATE = create(ALICE, data={"late": True})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


def check(
    path: Path, first: int = 1, last: int = BLOCKS, *, thorough: bool = True
) -> Checked:
    with closing(open_for_reading(path)) as connection:
        return check_blocks(connection, path, first, last, thorough=thorough)


def said(path: Path, *, thorough: bool = False) -> list[tuple[int, str]]:
    """Findings, each with its height."""
    checked = check(path, thorough=thorough)
    assert checked.found == len(checked.findings)
    return [(each.height or 0, each.text) for each in checked.findings]


@pytest.mark.parametrize("thorough", [True, False])
def test_a_log_as_it_was_written_is_in_order(path: Path, thorough: bool) -> None:
    checked = check(path, thorough=thorough)
    documents = [each for height in range(1, 13) for each in accepted_of(height)]
    moved = sum(each["operation"] == "TRANSFER" for each in documents)
    assert (checked.findings, checked.found) == ((), 0)
    assert (checked.transactions, checked.spends) == (len(documents), moved)
    assert checked.keys > 2 * len(documents)


def test_ranges_add_up_to_the_whole(path: Path) -> None:
    parts = [check(path, *span) for span in ((1, 1), (2, 6), (7, 12))]
    assert all(not each.found for each in parts)
    assert [sum(column) for column in zip(*(each[:3] for each in parts))] == list(
        check(path)[:3]
    )


def test_an_edited_transaction_is_found(path: Path) -> None:
    body = f"SELECT position, raw FROM bodies WHERE position = {AT}"
    edit(path, body, lambda raw: raw.replace(b'"amount": "2"', b'"amount": "3"'))
    ((height, text),) = said(path)
    assert height == 7
    assert text.startswith(
        "transaction 0: is not valid: InvalidHash: its contents have the id "
    )
    assert "InvalidHash" in said(path, thorough=True)[0][1]


def test_a_transaction_that_was_written_differently_is_found(path: Path) -> None:
    body = f"SELECT position, raw FROM bodies WHERE position = {AT}"
    edit(path, body, lambda raw: raw + b" ")
    found = (7, "transaction 0: its bytes are not those that were committed (SHA-256)")
    assert said(path) == said(path, thorough=True) == [found]


def replace(path: Path, document: dict, *, at: int = AT) -> None:
    """Put another transaction in the place of the one there, with all that is about it alone."""
    raw = encode(document)
    tamper(
        path,
        "UPDATE bodies SET raw = :raw WHERE position = :at",
        "UPDATE transactions SET id = :id, sha256 = :sha256 WHERE position = :at",
        at=at,
        raw=raw,
        id=document["id"],
        sha256=hashlib.sha256(raw).digest(),
    )


def test_another_transaction_in_its_place_is_found_by_the_app_hash(path: Path) -> None:
    replace(path, seal({**asset_of(7), "metadata": {"h": 70}}))
    texts = dict(reversed(said(path)))
    assert "its app hash is " in texts[7]
    # The spender of the old one's output names an id that is gone.
    assert "which is not there before it" in texts[8]
    assert any("InvalidSignature" in text for _, text in said(path, thorough=True))


@pytest.mark.parametrize(
    ("sql", "height", "text"),
    [
        ("UPDATE transactions SET asset_id = :id WHERE position = :at", 7, "asset or"),
        ("UPDATE transactions SET operation = 'VOTE' WHERE position = :at", 7, "asset"),
        ("UPDATE transactions SET id = :id WHERE position = :second", 7, "have the id"),
        ("DELETE FROM bodies WHERE position = :at", 7, "its bytes are missing"),
        ("DELETE FROM transactions WHERE position = :second", 7, "rows of no transac"),
        ("UPDATE outputs SET amount = 5 WHERE position = :at", 7, "its outputs are not"),
        ("DELETE FROM outputs WHERE position = :second", 7, "its outputs are not"),
        ("INSERT INTO outputs VALUES (:at, 2, 1, 'x', NULL)", 7, "its outputs are"),
        ("INSERT INTO outputs VALUES (:at + 9, 0, 1, 'x', 4)", 7, "outputs has rows of"),
        ("INSERT INTO bodies VALUES (:at + 9, x'00')", 7, "bodies has rows of no"),
        ("UPDATE outputs SET spent_by = NULL WHERE position = :at", 8, "not marked as"),
        ("UPDATE outputs SET spent_by = :at WHERE position = :at", 8, "it spends output"),
        ("DELETE FROM keys WHERE position = :at AND output_index = 1", 7, "by the key"),
        ("UPDATE keys SET in_details = 0 WHERE position = :at", 7, "by the key"),
        ("DELETE FROM blocks WHERE height = 7", 7, "is missing"),
        ("DELETE FROM blocks WHERE height IN (6, 7)", 6, "the blocks up to 7 are"),
        ("DELETE FROM blocks WHERE height = 12", 12, "is missing"),
        ("UPDATE blocks SET app_hash = :id WHERE height = 7", 7, "its app hash is 0000"),
        ("UPDATE blocks SET app_hash = '' WHERE height = 7", 7, "its app hash is empty"),
        ("UPDATE blocks SET accepted = 99 WHERE height = 7", 7, "its row counts 99"),
        ("DELETE FROM refused WHERE position >> 26 = 7", 7, "its row counts"),
        ("UPDATE refused SET position = :at + 30 WHERE position = :at + 1", 7, "gaps"),
    ],
)  # fmt: skip
def test_a_changed_row_is_found(path: Path, sql: str, height: int, text: str) -> None:
    tamper(path, sql, at=AT, second=SECOND, id=64 * "0")
    assert any(h == height and text in said for h, said in said_of_both(path))


def said_of_both(path: Path) -> list[tuple[int, str]]:
    quick = said(path)
    thorough = said(path, thorough=True)
    assert {height for height, _ in quick} <= {height for height, _ in thorough}
    return quick


def test_what_only_a_signature_tells_is_found_if_it_is_looked_at(
    tmp_path: Path,
) -> None:
    """A whole chain that somebody made up is in order but for its signatures."""
    document = create(ALICE, data={"forged": True})
    fulfillment = document["inputs"][0]["fulfillment"]
    document["inputs"][0]["fulfillment"] = fulfillment[:-8] + "AAAAAAAA"
    raw = encode(seal(document))
    transaction = rows_of(parse(raw), 0, hashlib.sha256(raw).digest())
    app_hash = next_app_hash("", [transaction.id])
    with CommitLog.open(tmp_path / "forged") as log:
        log.begin_chain(Chain("x", 1, "", 1, TIME, ()))
        log.append(Block(1, TIME, app_hash, [transaction], []))

    assert check(log.path, 1, 1, thorough=False).found == 0
    (finding,) = check(log.path, 1, 1).findings
    assert "InvalidSignature" in finding.text


def test_the_words_of_a_transaction_are_counted(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        wordy = create(ALICE, data={"name": "a red bicycle"}, metadata={"for": "sale"})
        new_engine(store=log).block(encode(wordy), encode(create(ALICE)))
    assert check(log.path, 1, 1).found == 0
    tamper(log.path, "UPDATE texts_docsize SET id = id + 1")
    assert [each.text for each in check(log.path, 1, 1).findings] == [
        "transaction 0: the index of words has other words of it",
        "transaction 1: the index of words has other words of it",
    ]
    tamper(log.path, "UPDATE texts_docsize SET id = id + 1")
    assert "transaction 2: it is in the index of words, and not in the log" in [
        each.text for each in check(log.path, 1, 1).findings
    ]


def test_many_words_are_counted(tmp_path: Path) -> None:
    words = " ".join(f"word{n}" for n in range(20_000))
    with CommitLog.open(tmp_path) as log:
        document = create(ALICE, data={"one": "x"}, metadata={"words": words})
        assert new_engine(store=log).block(encode(document))[0] == [0]
    assert check(log.path, 1, 1) == Checked(1, 0, 2, (), 0)


@pytest.mark.parametrize(
    "spent",
    [
        {"output_index": 1 << 70},
        {"output_index": 1 << 30},
        {"transaction_id": "x" * 64},
    ],
)
def test_a_spend_of_nothing_that_can_exist_is_found(path: Path, spent: dict) -> None:
    document = json.loads(encode(accepted_of(7)[1]))
    document["inputs"][0]["fulfills"] |= spent
    raw = encode(seal(document))
    sql = "UPDATE bodies SET raw = :raw WHERE position = :at"
    tamper(path, sql, at=SECOND, raw=raw)
    assert any("it spends output" in text for _, text in said(path))
    assert "is not valid" in said(path, thorough=True)[0][1]


@pytest.mark.parametrize("keys", [[5], [["x"]], {"a": 1}, 7])
def test_contents_that_no_transaction_has_are_found(path: Path, keys: object) -> None:
    document = json.loads(encode(asset_of(7)))
    document["outputs"][0]["public_keys"] = keys
    raw = encode(seal(document))
    tamper(path, "UPDATE bodies SET raw = :raw WHERE position = :at", at=AT, raw=raw)
    for thorough in (True, False):
        assert said(path, thorough=thorough)[0][0] == 7


def test_a_double_spend_is_found(path: Path) -> None:
    """Two transactions spend one output; the log can mark it as spent by one of them alone."""
    first = accepted_of(7)[1]
    second = transfer(accepted_of(6)[0], ALICE, metadata={"again": True})
    assert first["inputs"][0]["fulfills"] == second["inputs"][0]["fulfills"]
    replaced = (8 << 26) + 2
    replace(path, second, at=replaced)
    texts = [text for _, text in said(path, thorough=True)]
    assert any("DoubleSpend" in text for text in texts)


def test_a_range_reports_so_many_findings_and_counts_the_others(path: Path) -> None:
    tamper(path, "UPDATE transactions SET sha256 = x'00'")
    checked = check(path)
    assert len(checked.findings) == MOST_FINDINGS
    assert checked.found == checked.transactions > MOST_FINDINGS


def test_without_a_chain_the_first_hash_is_not_checked(path: Path) -> None:
    tamper(path, "DELETE FROM chain")
    assert check(path).found == 0


@pytest.mark.parametrize(
    ("start", "app_hash", "found"),
    [
        (app_hash_of(12), next_app_hash(app_hash_of(12), [LATE["id"]]), []),
        ("ab" * 32, next_app_hash("ab" * 32, [LATE["id"]]), ["from another app hash"]),
        (app_hash_of(12), "cd" * 32, ["its app hash is cdcd"]),
    ],
)
def test_a_chain_goes_on_from_the_app_hash_of_the_one_before(
    path: Path, start: str, app_hash: str, found: list[str]
) -> None:
    with CommitLog.open(path.parent) as log:
        end = Continued(12, start, "d" * 64)
        log.begin_chain(Chain("next", 1, start, 13, TIME, (), end))
        sha256 = hashlib.sha256(encode(LATE)).digest()
        accepted = [rows_of(parse(encode(LATE)), 0, sha256)]
        log.append(Block(13, TIME, app_hash, accepted, []))
    for first in 1, 13:
        checked = check(path, first, 13)
        assert len(checked.findings) == len(found)
        for each, text in zip(checked.findings, found, strict=True):
            assert each.height == 13 and text in each.text


def test_a_chain_that_began_without_an_app_hash_goes_on_from_another(
    tmp_path: Path,
) -> None:
    with CommitLog.open(tmp_path) as log:
        new_engine(store=log).block()
        start = START_HASHES["sha3"]
        end = Continued(1, "", "d" * 64)
        log.begin_chain(Chain("next", 1, start, 2, TIME, (), end))
        log.append(Block(2, TIME, start, [], []))
    assert check(tmp_path / FILE_NAME, 1, 2).found == 0
