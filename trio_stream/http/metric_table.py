"""Which metrics there are: names, kinds, labels and what they mean.

Names and units are Prometheus's: seconds and bytes, `_total` for what only grows. What every kind
of daemon has stands in groups by itself. The manual's tables are written from these.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

PREFIX: Final = "trio_stream_"


class Kind(Enum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric; its name without the prefix."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name that a scrape shows."""
        return PREFIX + self.name


_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

CHAIN: Final = (
    Metric("info", _G, "Always 1; the release and the chain.", ("version", "chain_id")),
    Metric("block_height", _G, "Height of the newest block in the log."),
    Metric(
        "block_timestamp_seconds",
        _G,
        "Time in that block's header, in seconds since 1970; 0 before the first block.",
    ),
    Metric("blocks_total", _C, "Blocks announced since the start."),
)
SUBSCRIBERS: Final = (
    Metric(
        "subscribers",
        _G,
        "Subscribers, by door: websocket, sse or poll.",
        ("door",),
    ),
    Metric("subscriptions_total", _C, "Subscribers admitted, by door.", ("door",)),
    Metric(
        "subscriptions_refused_total",
        _C,
        "Subscribers turned away because there were too many, by status.",
        ("status",),
    ),
    Metric(
        "websocket_closes_total",
        _C,
        "WebSocket subscribers that left, by reason.",
        ("reason",),
    ),
    Metric("subscribers_waiting", _G, "Subscribers that have got everything."),
    Metric("selections", _G, "Different filters and forms that subscribers chose."),
    Metric(
        "slowest_subscriber_lag_blocks",
        _G,
        "By how many blocks the slowest subscriber is behind.",
    ),
    Metric(
        "fan_out_seconds",
        _H,
        "Time to give new blocks to all subscribers that wait for them.",
    ),
    Metric(
        "sent_bytes_total",
        _C,
        "Bytes sent to subscribers, by way: together (to all that wait) or alone"
        " (catching up, TLS, Server-Sent Events).",
        ("way",),
    ),
    Metric("tail_bytes", _G, "Memory of the newest blocks, kept for subscribers."),
    Metric("turns_waiting", _G, "Clients that wait for their turn to connect or read."),
    Metric(
        "requests_refused_total",
        _C,
        "Requests refused for their token, origin or rate, by status; WebSocket ones too.",
        ("status",),
    ),
)
HTTP: Final = (
    Metric(
        "http_connections",
        _G,
        "HTTP connections, by state: in_line (new), waiting (for the client) or working.",
        ("state",),
    ),
    Metric("http_answers_total", _C, "HTTP requests answered."),
    Metric(
        "http_turned_away_total",
        _C,
        "HTTP connections for which there was no place, by status.",
        ("status",),
    ),
    Metric("http_held_bytes", _G, "Memory of HTTP bodies and answers in progress."),
)
LOG: Final = (
    Metric("log_bytes", _G, "Size of log.db."),
    Metric("log_write_ahead_bytes", _G, "Size of the write-ahead log, log.db-wal."),
    Metric("disk_free_bytes", _G, "What is left on the disk of the log."),
    Metric("log_writable", _G, "1 if the log can be written to."),
    Metric(
        "reads_waiting",
        _G,
        "Reads of the log that have not been answered yet, by purpose.",
        ("purpose",),
    ),
    Metric(
        "read_oldest_wait_seconds",
        _G,
        "Time that the oldest of these has waited, by purpose.",
        ("purpose",),
    ),
    Metric(
        "reads_late_total",
        _C,
        "Reads that took over 10 seconds, by purpose.",
        ("purpose",),
    ),
)
PROCESS: Final = (
    Metric(
        "loop_delay_seconds",
        _H,
        "By how much the event loop was late, measured four times a second.",
    ),
    Metric("tasks", _G, "Trio tasks."),
)

OF_A_NODE: Final = (
    *CHAIN,
    Metric("events_total", _C, "Transactions accepted in those blocks."),
    Metric(
        "refused_transactions_total",
        _C,
        "Transactions refused, by where (block, check or post) and error.",
        ("by", "error"),
    ),
    # The engine.
    Metric("engine_connected", _G, "1 if an engine is connected to the ABCI port."),
    Metric(
        "engine_block_height",
        _G,
        "Height that the engine's RPC reports; absent if it does not answer.",
    ),
    Metric(
        "engine_catching_up",
        _G,
        "1 if the engine is behind its network; absent if its RPC does not answer.",
    ),
    Metric(
        "engine_info",
        _G,
        "1 while an engine is connected; its dialect and release.",
        ("dialect", "version"),
    ),
    Metric("abci_connections", _G, "Connections at the ABCI port."),
    Metric("abci_held_bytes", _G, "Memory of incomplete or unanswered ABCI messages."),
    Metric(
        "state_machine_seconds",
        _H,
        "Time the state machine worked, by work: commit, block (executing it), check or"
        " restore (a piece of a snapshot).",
        ("work",),
    ),
    Metric(
        "state_machine_wait_seconds",
        _H,
        "Time that work waited for the state machine.",
        ("work",),
    ),
    Metric(
        "engine_rpc_connections",
        _G,
        "Connections to the engine's RPC, by state: busy or idle.",
        ("state",),
    ),
    Metric("broadcasts_waiting", _G, "Posted transactions in line for the engine."),
    *SUBSCRIBERS,
    *HTTP,
    Metric(
        "posts_total", _C, "Posted transactions, by status of the answer.", ("status",)
    ),
    Metric(
        "post_seconds",
        _H,
        "Time to answer a posted transaction; with mode=commit, until its block.",
    ),
    *LOG,
    Metric(
        "snapshot_height",
        _G,
        "Block of the newest snapshot made since the start; 0 if there is none.",
    ),
    Metric(
        "snapshots_total",
        _C,
        "Snapshots since the start, by result: made or failed.",
        ("result",),
    ),
    *PROCESS,
)
"""Those of a node."""

OF_THE_PROCESS: Final = (
    Metric("process_cpu_seconds_total", _C, "Processor time used."),
    Metric("process_resident_memory_bytes", _G, "Memory in use."),
    Metric("process_virtual_memory_bytes", _G, "Address space; mapped files count."),
    Metric("process_open_fds", _G, "Open file descriptors."),
    Metric("process_max_fds", _G, "How many may be open."),
    Metric(
        "process_start_time_seconds",
        _G,
        "When the daemon started, in seconds since 1970.",
    ),
)
"""What `prometheus_client` says of the process, under these names."""
