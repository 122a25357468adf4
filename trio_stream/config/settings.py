"""What an operator may set: every setting with its default and its range.

Settings that contradict each other are refused (`contradict`). No module below `node` imports this
package: doors are given values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from trio_stream.config import values
from trio_stream.config.values import Address, ConfigError

KIB, MIB, GIB = 1024, 1024**2, 1024**3
MILLION = 1_000_000
HOUR, DAY = 3_600, 86_400

T = TypeVar("T")


def _setting(default: T, read: Callable[[object], object]) -> T:
    return field(default=default, metadata={"read": read})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, each with its default. Sizes in bytes, times in seconds."""

    home: Path = _setting(Path("trio_stream_data"), values.path)
    abci: str = _setting("tcp://127.0.0.1:26658", values.abci_address)
    stream: Address = _setting(Address("localhost", 9985), values.listen_address)
    api: Address = _setting(Address("localhost", 9984), values.listen_address)
    node: str = _setting("http://localhost:26657", values.node_url)
    log_level: str = _setting("INFO", values.log_level)
    log_format: str = _setting("auto", values.log_format)

    # Where the index documents say the stream is; None: where it is bound.
    advertised_scheme: str | None = _setting(None, values.stream_scheme)
    advertised_host: str | None = _setting(None, values.host)
    advertised_port: int | None = _setting(None, values.fixed_port)

    # Both or neither; with them the doors serve wss:// and https://.
    tls_certificate: Path | None = _setting(None, values.path)
    tls_key: Path | None = _setting(None, values.path)
    # Only clients with a certificate of one of these authorities are served.
    tls_client_ca: Path | None = _setting(None, values.path)

    # Who may do what; without a file of tokens everybody may do everything.
    tokens: Path | None = _setting(None, values.path)
    # Pages that may ask from a browser, besides the node's own; *: all of them.
    allowed_origins: tuple[str, ...] = _setting((), values.origins)

    # Consensus engine: a proposal carries a whole block, a little over 100 MiB at most. A
    # transaction that the engine's mempool accepts, of 1 MiB, must fit.
    frame_limit: int = _setting(128 * MIB, values.between(2 * MIB, 1024 * MIB))
    cache_bytes: int = _setting(64 * MIB, values.between(0, 64 * GIB))
    node_connections: int = _setting(32, values.between(1, 1_000))
    # The engine drops answers that take longer than 11 s.
    node_timeout: float = _setting(15.0, values.seconds(0.1, HOUR))

    # State sync: blocks from one snapshot to the next, and how many are kept. 0: none is made.
    snapshot_interval: int = _setting(0, values.between(0, 1_000 * MILLION))
    # Engines tell their peers of ten.
    snapshot_keep: int = _setting(2, values.between(1, 10))

    # Subscribers.
    max_clients: int = _setting(20_000, values.between(1, MILLION))
    # 0: no limit, since behind a proxy all clients have one address.
    max_clients_per_address: int = _setting(0, values.between(0, MILLION))
    # Connections of the WebSocket door beyond those: being admitted or being turned away.
    max_handshakes: int = _setting(1_000, values.between(16, MILLION))
    # Connections of the WebSocket door by address; 0: no limit.
    stream_connections_per_address: int = _setting(0, values.between(0, MILLION))
    # By address and second, over all doors; 0: no limit.
    requests_per_address: int = _setting(0, values.between(0, MILLION))
    post_bytes_per_address: int = _setting(0, values.between(0, 64 * GIB))
    trusted_proxies: tuple[str, ...] = _setting((), values.networks)
    ping_interval: float = _setting(20.0, values.seconds(0.1, DAY))
    pong_timeout: float = _setting(20.0, values.seconds(0.1, DAY))
    stall_timeout: float = _setting(60.0, values.seconds(0.1, DAY))
    handshake_timeout: float = _setting(10.0, values.seconds(0.1, HOUR))
    send_buffer: int = _setting(128 * KIB, values.between(4 * KIB, 64 * MIB))
    tail_bytes: int = _setting(8 * MIB, values.between(4 * KIB, 64 * GIB))
    # By how many blocks a position may be beyond the tip, since it may come from another node.
    resume_ahead: int = _setting(100, values.between(0, MILLION))

    # HTTP.
    http_connections: int = _setting(4096, values.between(16, MILLION))
    # 0: no limit.
    http_connections_per_address: int = _setting(1024, values.between(0, MILLION))
    http_keep_alive: float = _setting(75.0, values.seconds(0.1, DAY))
    # For a body to arrive, plus a second for each `http_body_rate` bytes that have arrived.
    http_body_timeout: float = _setting(20.0, values.seconds(0.1, HOUR))
    http_body_rate: int = _setting(4 * KIB, values.between(1, GIB))
    # All bodies and answers in progress together.
    http_bytes_under_way: int = _setting(256 * MIB, values.between(MIB, 64 * GIB))
    max_body_bytes: int = _setting(2 * MIB, values.between(KIB, 128 * MIB))
    # /health/ready: how long the engine may be away, and what must be left on the log's disk.
    ready_engine_timeout: float = _setting(30.0, values.seconds(0.0, DAY))
    ready_free_bytes: int = _setting(256 * MIB, values.between(0, 1024 * GIB))
    commit_timeout: float = _setting(10.0, values.seconds(0.1, HOUR))

    # Each phase of an orderly stop, and the whole of it.
    shutdown_http: float = _setting(12.0, values.seconds(0.1, HOUR))
    shutdown_abci: float = _setting(5.0, values.seconds(0.1, HOUR))
    shutdown_stream: float = _setting(5.0, values.seconds(0.1, HOUR))
    shutdown_total: float = _setting(25.0, values.seconds(0.1, HOUR))


def contradict(config: Config) -> None:
    """Raise `ConfigError` if settings contradict each other, each being valid by itself."""
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise ConfigError("tls_certificate and tls_key: give both or neither")
    if config.tls_client_ca is not None and config.tls_certificate is None:
        raise ConfigError("tls_client_ca: give tls_certificate and tls_key as well")
    phases = config.shutdown_http + config.shutdown_abci + config.shutdown_stream
    if round(phases, 3) > config.shutdown_total:
        raise ConfigError(
            f"shutdown_total ({config.shutdown_total:g} s) must be at least the sum of its "
            f"phases, shutdown_http, shutdown_abci and shutdown_stream ({phases:g} s)"
        )
    if config.http_bytes_under_way < config.max_body_bytes:
        raise ConfigError(
            f"http_bytes_under_way ({config.http_bytes_under_way}) must be at least "
            f"max_body_bytes ({config.max_body_bytes}), or a body of that size is never accepted"
        )
    bound = {"api": config.api, "stream": config.stream}
    if config.abci.startswith("tcp://"):
        bound["abci"] = values.listen_address(config.abci.removeprefix("tcp://"))
    for (name, address), (other, its_address) in combinations(bound.items(), 2):
        if address.port and address.overlaps(its_address):
            raise ConfigError(f"{name} and {other} can't both be {address}")
    node = values.listen_address(config.node.removeprefix("http://"))
    for name, address in bound.items():
        if address.port and node.is_here and address.overlaps(node):
            raise ConfigError(
                f"node: {config.node} is this daemon's own {name} address; give the address of"
                f" the engine's RPC (`laddr` under [rpc] in its config.toml, usually port 26657)"
            )
