"""What an operator may set: every setting with its default and its range.

What is here is a node's; `following` has what a follower adds to `DoorSettings`.
Settings that contradict each other are refused (`contradict`). No module below `node` imports this
package: doors are given values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def setting(default: T, read: Callable[[object], object]) -> T:
    """A field that is read so."""
    return field(default=default, metadata={"read": read})


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """What every daemon of ours has: doors, a log, logs. Sizes in bytes, times in seconds."""

    home: Path = setting(Path("trio_stream_data"), values.path)
    stream: Address = setting(Address("localhost", 9985), values.listen_address)
    api: Address = setting(Address("localhost", 9984), values.listen_address)
    log_level: str = setting("INFO", values.log_level)
    log_format: str = setting("auto", values.log_format)

    # Where the index documents say the stream is; None: where it is bound.
    advertised_scheme: str | None = setting(None, values.stream_scheme)
    advertised_host: str | None = setting(None, values.host)
    advertised_port: int | None = setting(None, values.fixed_port)

    # Both or neither; with them the doors serve wss:// and https://.
    tls_certificate: Path | None = setting(None, values.path)
    tls_key: Path | None = setting(None, values.path)
    # Only clients with a certificate of one of these authorities are served.
    tls_client_ca: Path | None = setting(None, values.path)

    # Who may do what; without a file of tokens everybody may do everything.
    tokens: Path | None = setting(None, values.path)
    # Pages that may ask from a browser, besides the node's own; *: all of them.
    allowed_origins: tuple[str, ...] = setting((), values.origins)

    # What is asked of an engine on behalf of clients.
    node_connections: int = setting(32, values.between(1, 1_000))
    # The engine drops answers that take longer than 11 s.
    node_timeout: float = setting(15.0, values.seconds(0.1, HOUR))

    # Subscribers.
    max_clients: int = setting(20_000, values.between(1, MILLION))
    # 0: no limit, since behind a proxy all clients have one address.
    max_clients_per_address: int = setting(0, values.between(0, MILLION))
    # Connections of the WebSocket door beyond those: being admitted or being turned away.
    max_handshakes: int = setting(1_000, values.between(16, MILLION))
    # Connections of the WebSocket door by address; 0: no limit.
    stream_connections_per_address: int = setting(0, values.between(0, MILLION))
    # By address and second, over all doors; 0: no limit.
    requests_per_address: int = setting(0, values.between(0, MILLION))
    post_bytes_per_address: int = setting(0, values.between(0, 64 * GIB))
    trusted_proxies: tuple[str, ...] = setting((), values.networks)
    ping_interval: float = setting(20.0, values.seconds(0.1, DAY))
    pong_timeout: float = setting(20.0, values.seconds(0.1, DAY))
    stall_timeout: float = setting(60.0, values.seconds(0.1, DAY))
    handshake_timeout: float = setting(10.0, values.seconds(0.1, HOUR))
    send_buffer: int = setting(128 * KIB, values.between(4 * KIB, 64 * MIB))
    tail_bytes: int = setting(8 * MIB, values.between(4 * KIB, 64 * GIB))
    # By how many blocks a position may be beyond the tip, since it may come from another node.
    resume_ahead: int = setting(100, values.between(0, MILLION))

    # HTTP.
    http_connections: int = setting(4096, values.between(16, MILLION))
    # 0: no limit.
    http_connections_per_address: int = setting(1024, values.between(0, MILLION))
    http_keep_alive: float = setting(75.0, values.seconds(0.1, DAY))
    # For a body to arrive, plus a second for each `http_body_rate` bytes that have arrived.
    http_body_timeout: float = setting(20.0, values.seconds(0.1, HOUR))
    http_body_rate: int = setting(4 * KIB, values.between(1, GIB))
    # All bodies and answers in progress together.
    http_bytes_under_way: int = setting(256 * MIB, values.between(MIB, 64 * GIB))
    max_body_bytes: int = setting(2 * MIB, values.between(KIB, 128 * MIB))
    # /health/ready: how long the engine may be away, and what must be left on the log's disk.
    ready_engine_timeout: float = setting(30.0, values.seconds(0.0, DAY))
    ready_free_bytes: int = setting(256 * MIB, values.between(0, 1024 * GIB))

    # Phases of an orderly stop, and the whole of it.
    shutdown_http: float = setting(12.0, values.seconds(0.1, HOUR))
    shutdown_stream: float = setting(5.0, values.seconds(0.1, HOUR))
    shutdown_total: float = setting(25.0, values.seconds(0.1, HOUR))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(DoorSettings):
    """The settings of a node, each with its default."""

    abci: str = setting("tcp://127.0.0.1:26658", values.abci_address)
    node: str = setting("http://localhost:26657", values.node_url)

    # Consensus engine: a proposal carries a whole block, a little over 100 MiB at most. A
    # transaction that the engine's mempool accepts, of 1 MiB, must fit.
    frame_limit: int = setting(128 * MIB, values.between(2 * MIB, 1024 * MIB))
    cache_bytes: int = setting(64 * MIB, values.between(0, 64 * GIB))

    # State sync: blocks from one snapshot to the next, and how many are kept. 0: none is made.
    snapshot_interval: int = setting(0, values.between(0, 1_000 * MILLION))
    # Engines tell their peers of ten.
    snapshot_keep: int = setting(2, values.between(1, 10))

    commit_timeout: float = setting(10.0, values.seconds(0.1, HOUR))
    shutdown_abci: float = setting(5.0, values.seconds(0.1, HOUR))


def contradict(config: Config) -> None:
    """Raise `ConfigError` if settings contradict each other, each being valid by itself."""
    phases = ("shutdown_http", "shutdown_abci", "shutdown_stream")
    contradict_doors(config, phases=phases)
    bound = doors(config)
    if config.abci.startswith("tcp://"):
        bound["abci"] = values.listen_address(config.abci.removeprefix("tcp://"))
    refuse_shared(bound)
    node = values.listen_address(config.node.removeprefix("http://"))
    for name, address in bound.items():
        if address.port and node.is_here and address.overlaps(node):
            raise ConfigError(
                f"node: {config.node} is this daemon's own {name} address; give the address of"
                f" the engine's RPC (`laddr` under [rpc] in its config.toml, usually port 26657)"
            )


def contradict_doors(config: DoorSettings, *, phases: Sequence[str]) -> None:
    """The same for what all daemons have; `phases` are those of an orderly stop."""
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise ConfigError("tls_certificate and tls_key: give both or neither")
    if config.tls_client_ca is not None and config.tls_certificate is None:
        raise ConfigError("tls_client_ca: give tls_certificate and tls_key as well")
    together = sum(getattr(config, phase) for phase in phases)
    if round(together, 3) > config.shutdown_total:
        raise ConfigError(
            f"shutdown_total ({config.shutdown_total:g} s) must be at least the sum of its "
            f"phases, {', '.join(phases[:-1])} and {phases[-1]} ({together:g} s)"
        )
    if config.http_bytes_under_way < config.max_body_bytes:
        raise ConfigError(
            f"http_bytes_under_way ({config.http_bytes_under_way}) must be at least "
            f"max_body_bytes ({config.max_body_bytes}), or a body of that size is never accepted"
        )


def doors(config: DoorSettings) -> dict[str, Address]:
    """What all daemons bind, by the setting's name."""
    return {"api": config.api, "stream": config.stream}


def refuse_shared(bound: Mapping[str, Address]) -> None:
    """Raise `ConfigError` if two of these can't be bound at the same time."""
    for (name, address), (other, its_address) in combinations(bound.items(), 2):
        if address.port and address.overlaps(its_address):
            raise ConfigError(f"{name} and {other} can't both be {address}")
