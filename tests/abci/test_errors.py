"""The two errors of the codec."""

from __future__ import annotations

import pytest

from trio_stream.abci.errors import LocalProtocolError, RemoteProtocolError


def test_a_peers_fault_is_not_taken_for_ours() -> None:
    with pytest.raises(RemoteProtocolError, match="bad length"):
        try:
            raise RemoteProtocolError("bad length")
        except LocalProtocolError:
            pytest.fail("it is the peer's")
