"""What more than one test file of transactions uses."""

from __future__ import annotations

import pytest

from trio_stream.transactions import fulfillments
from trio_stream.transactions.ed25519 import is_signed


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The signatures that are verified, with their messages."""
    found: list[bytes] = []

    def counted(message: bytes, signature: bytes, key: bytes) -> bool:
        found.append(signature + message)
        return is_signed(message, signature, key)

    monkeypatch.setattr(fulfillments, "is_signed", counted)
    return found
