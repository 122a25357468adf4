from __future__ import annotations

import pytest

from trio_stream.stream.names import meant_by, quoted

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
    "name", ["", "_", "1", "t", "v", "id", "lang", "callback", "separate", "utm_source"]
)
def test_a_name_that_resembles_none(name):
    assert meant_by(name, KNOWN) is None


def test_another_systems_word_counts_if_ours_is_known():
    assert meant_by("count", KNOWN) is None
    assert meant_by("count", (*KNOWN, "limit")) == "limit"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *[("", "''"), ("seven", "'seven'"), ("it's", '"it\'s"'), ("\n", r"'\n'")],
        *[("12345678", "'12345678'"), ("123456789", "'123456789…")],
        ("x" * 1_000_000, "'xxxxxxxxx…"),
    ],
)
def test_what_a_client_sent_is_shown_in_quotes_and_cut(text, shown):
    assert quoted(text, 10) == shown
