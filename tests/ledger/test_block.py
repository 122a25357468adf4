"""BigchainDB's app hash."""

from __future__ import annotations

import hashlib

from trio_stream.ledger.block import MAX_TRANSACTIONS, next_app_hash
from trio_stream.stream.position import END_OF_BLOCK


def sha3(text: str) -> str:
    return hashlib.sha3_256(text.encode()).hexdigest()


def test_an_empty_block_keeps_the_hash():
    assert next_app_hash("", []) == ""
    assert next_app_hash("ab", []) == "ab"


def test_the_first_hash_is_over_the_ids_alone():
    assert next_app_hash("", ["aa", "bb"]) == sha3(sha3("aabb"))


def test_a_later_hash_is_over_the_previous_one_and_the_ids():
    assert next_app_hash("12", ["aa"]) == sha3("12" + sha3("aa"))


def test_the_order_of_the_ids_counts():
    assert next_app_hash("", ["aa", "bb"]) != next_app_hash("", ["bb", "aa"])


def test_the_greatest_index_stands_for_the_end_of_a_block():
    assert END_OF_BLOCK == MAX_TRANSACTIONS
