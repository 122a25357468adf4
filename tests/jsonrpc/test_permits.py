from __future__ import annotations

from trio_stream.jsonrpc.permits import is_closed, is_posting


def test_methods() -> None:
    for name in ("broadcast_tx_sync", "broadcast_evidence"):
        assert is_posting(name) and not is_closed(name)
    for name in ("unsafe_flush_mempool", "dial_seeds", "dial_peers"):
        assert is_closed(name)
    for name in ("status", "check_tx", "", "block_results"):
        assert not is_closed(name) and not is_posting(name)
