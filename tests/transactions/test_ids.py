"""The form of an id."""

from __future__ import annotations

import pytest

from scripts.signing import create
from tests.ledger.chains import ALICE
from trio_stream.transactions.ids import ID


def test_the_id_of_a_transaction_has_it() -> None:
    assert ID.fullmatch(create(ALICE)["id"])


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n"])
def test_nothing_else_has_it(text: str) -> None:
    assert not ID.fullmatch(text)
