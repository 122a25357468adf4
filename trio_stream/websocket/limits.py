"""What clients of the WebSocket server may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketLimits:
    """What clients may cost. Sizes in bytes, times in seconds."""

    # More than there may be subscribers, so that one too many gets an answer.
    max_connections: int = 21_000
    max_connections_per_address: int = 0  # none
    trusted_proxies: tuple[str, ...] = ()
    ping_interval: float = 20.0
    pong_timeout: float = 20.0
    stall_timeout: float = 60.0
    # With its default the kernel keeps 4 MB for a stalled client on loopback.
    send_buffer: int = 128 * 1024
    handshake_timeout: float = 10.0
    head_limit: int = 16 * 1024
    shutdown_timeout: float = 5.0
