"""What an operator of a follower may set, beside what every daemon of ours has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trio_stream.config import following_values, values
from trio_stream.config.following_values import EVERYTHING, Bounds
from trio_stream.config.settings import (
    GIB,
    MIB,
    DoorSettings,
    contradict_doors,
    doors,
    refuse_shared,
    setting,
)
from trio_stream.config.values import ConfigError

_FROM: Final = "from_"
"""The field of the setting `from`, which is a word of Python's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowConfig(DoorSettings):
    """The settings of a follower, each with its default."""

    # A node's log is of another kind.
    home: Path = setting(Path("trio_stream_followed"), values.path)

    # RPC addresses of nodes of one chain.
    node: tuple[str, ...] = setting((), following_values.node_urls)
    # Nodes that must say the same of a block.
    agree: int = setting(1, values.between(1, following_values.MOST_NODES))
    # Where a new log begins.
    from_: str | int = setting("tip", following_values.start)
    allow_gaps: bool = setting(False, following_values.boolean)
    # Blocks that must follow one before it is committed.
    confirm: int = setting(0, values.between(0, 1))
    index_keys: str | tuple[str, ...] = setting("flagged", following_values.index_keys)
    keep: Bounds = setting(EVERYTHING, following_values.bounds)
    # Requests a second to each node; None: few, and many on this machine.
    rate: float | None = setting(None, following_values.rate)
    # Heights that are asked for at once.
    in_flight: int = setting(4, values.between(1, 64))
    attributes: str = setting("auto", following_values.attributes)
    # Whether the header's data_hash is that of the transactions.
    data_hashes: bool = setting(True, following_values.boolean)
    # More is not read of one answer.
    answer_bytes: int = setting(256 * MIB, values.between(MIB, 4 * GIB))


def field_of(name: str) -> str:
    """The field of a setting."""
    return _FROM if name == "from" else name


def contradict(config: FollowConfig) -> None:
    """Raise `ConfigError` if settings contradict each other, or no node is named."""
    if not config.node:
        raise ConfigError(
            "node: give the address of a node of the chain, as in --node http://localhost:26657"
        )
    if config.agree > len(config.node):
        raise ConfigError(
            f"agree: {config.agree} nodes must say the same, and only {len(config.node)} are named"
        )
    contradict_doors(config, phases=("shutdown_http", "shutdown_stream"))
    refuse_shared(doors(config))
    for url in config.node:
        node = following_values.address_of(url)
        for name, address in doors(config).items():
            if address.port and node.is_here and address.overlaps(node):
                raise ConfigError(
                    f"node: {url} is this daemon's own {name} address; give the address of the"
                    f" node's RPC (`laddr` under [rpc] in its config.toml, usually port 26657)"
                )
