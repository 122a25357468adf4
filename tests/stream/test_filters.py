from __future__ import annotations

import pytest

from trio_stream.stream.events import CommitEvent
from trio_stream.stream.filters import FILTERS, NO_CONTENTS, Contents

ID, OTHER, KEY = "01" * 32, "ab" * 32, "4K9sWUMFwTgaDGPfdynrbxWqWS6sWmKbZoTjxLtVUibD"
EVENT = CommitEvent(7, 0, ID, OTHER, bytes(32), "TRANSFER")


@pytest.mark.parametrize(
    ("name", "value", "others"),
    [
        ("asset_id", ID, [ID.upper().replace("0", "A"), ID[:-1], ID + "0", ""]),
        ("public_key", KEY, [KEY + "0", "l", "", "1" * 65]),
        ("operation", "CREATE", ["create", "CREATE ", "", "CREATE|VOTE"]),
    ],
)
def test_what_a_value_looks_like(name: str, value: str, others: list[str]) -> None:
    pattern = FILTERS[name].pattern
    assert pattern.fullmatch(value)
    assert not any(map(pattern.fullmatch, others))


def test_what_of_a_transaction_is_compared() -> None:
    contents = Contents(frozenset([KEY]), b"")
    values = {n: list(each.values(EVENT, contents)) for n, each in FILTERS.items()}
    assert values == {"asset_id": [ID], "public_key": [KEY], "operation": ["TRANSFER"]}


def test_what_does_not_look_inside_needs_no_contents() -> None:
    contents = Contents(frozenset([KEY]), b"x")
    for each in FILTERS.values():
        same = each.values(EVENT, contents) == each.values(EVENT, NO_CONTENTS)
        assert same == (not each.looks_inside)
