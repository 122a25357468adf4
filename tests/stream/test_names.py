from __future__ import annotations

import pytest

from trio_stream.stream.names import edits, meant_by

KNOWN = (
    *("after", "from_height", "until", "asset_id", "public_key", "operation"),
    *("detail", "notices", "empty_blocks"),
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *[("afer", "after"), ("aftr", "after"), ("fater", "after"), ("After", "after")],
        *[("after[]", "after"), ("since", "after"), ("cursor", "after")],
        *[("from", "from_height"), ("fromHeight", "from_height")],
        *[("from-height", "from_height"), ("form_hieght", "from_height")],
        *[("untill", "until"), ("to", "until"), ("asset", "asset_id")],
        *[("assetid", "asset_id"), ("asset_ids", "asset_id"), ("key", "public_key")],
        *[("publickey", "public_key"), ("op", "operation"), ("type", "operation")],
        *[("operations", "operation"), ("details", "detail"), ("notice", "notices")],
        *[("emptyblocks", "empty_blocks"), ("Last-Event-ID", "after")],
    ],
)
def test_a_name_that_resembles_one(name, meant):
    assert meant_by(name, KNOWN) == meant


@pytest.mark.parametrize(
    "name", ["", "_", "1", "t", "v", "id", "lang", "callback", "later", "utm_source"]
)
def test_a_name_that_resembles_none(name):
    assert meant_by(name, KNOWN) is None


def test_another_systems_word_counts_where_ours_is_known():
    assert meant_by("count", KNOWN) is None
    assert meant_by("count", (*KNOWN, "limit")) == "limit"


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        *[("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("abc", "", 3)],
        *[("abc", "abd", 1), ("abc", "ab", 1), ("abc", "abcd", 1), ("abc", "acb", 1)],
        *[("ca", "abc", 3), ("kitten", "sitting", 3), ("abcd", "badc", 2)],
    ],
)
def test_edits(one, other, distance):
    assert edits(one, other) == distance == edits(other, one)
