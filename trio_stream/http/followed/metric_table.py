"""Which metrics a follower has: those of every daemon, and those of the chain and its nodes."""

from __future__ import annotations

from typing import Final

from trio_stream.http.metric_table import (
    CHAIN,
    HTTP,
    LOG,
    PROCESS,
    SUBSCRIBERS,
    Kind,
    Metric,
)

_G, _C = Kind.GAUGE, Kind.COUNTER

ITS_OWN: Final = (
    Metric("transactions_total", _C, "Transactions in the blocks announced."),
    Metric(
        "failed_transactions_total", _C, "Those of them whose code is another than 0."
    ),
    Metric("chain_events_total", _C, "Events in the blocks announced."),
    Metric("missing_blocks_total", _C, "Blocks announced as missing, in gaps."),
    Metric("oldest_block_height", _G, "Height of the oldest block in the log."),
    Metric(
        "behind_blocks",
        _G,
        "Blocks that the nodes have, by their last word, and the log has not.",
    ),
    Metric("node_height", _G, "Newest block of a node, by its last word.", ("node",)),
    Metric(
        "node_state",
        _G,
        "1 for the state of a node: unknown, answering, troubled or excluded (of another"
        " chain or history).",
        ("node", "state"),
    ),
    Metric(
        "node_silent_seconds",
        _G,
        "Time since a node last answered; absent before it did.",
        ("node",),
    ),
    Metric(
        "node_request_rate",
        _G,
        "Requests per second that a node gets at most, at present.",
        ("node",),
    ),
    Metric("node_answers_total", _C, "Answers of a node.", ("node",)),
    Metric(
        "node_troubles_total",
        _C,
        "Requests that a node did not answer, or not so that it could be read, by what"
        " happened.",
        ("node", "trouble"),
    ),
    Metric(
        "json_rpc_clients",
        _G,
        "Clients that speak the engine's JSON-RPC, by WebSocket.",
    ),
    Metric("json_rpc_subscriptions", _G, "What they have subscribed to."),
    Metric("json_rpc_queries", _G, "Different queries among these."),
    Metric(
        "json_rpc_slowest_lag_blocks",
        _G,
        "By how many blocks the slowest of these subscriptions is behind.",
    ),
    Metric("json_rpc_frames_total", _C, "Frames sent to them."),
    Metric("json_rpc_sent_bytes_total", _C, "Bytes sent to them."),
    Metric("json_rpc_held_bytes", _G, "Memory of the newest blocks, kept for them."),
    Metric("log_used_bytes", _G, "What is in use of log.db; the rest is used next."),
)

OF_A_FOLLOWER: Final = (*CHAIN, *ITS_OWN, *SUBSCRIBERS, *HTTP, *LOG, *PROCESS)
"""Those of a follower."""
