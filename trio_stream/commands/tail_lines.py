"""The lines that `trio-stream tail` prints for people, one per message of any stream."""

from __future__ import annotations

import json
from typing import Any

from trio_stream.client import Event, Gap


def readable(event: Event) -> str:
    """A line for people."""
    line = _line(event)
    # It quotes what a stranger wrote, which may hold control sequences of terminals.
    return line if line.isprintable() else json.dumps(line)[1:-1]


def _line(event: Event) -> str:
    if isinstance(event, Gap):
        return (
            f"{event['position']}  blocks {event.first} to {event.last} are missing"
            f"  {event.reason}: {event.detail}"
        )
    if "event_index" in event:
        return _abci_event(event)
    place = f"{event['position']}  {event.get('time', '')}"
    if "events" in event:
        return f"{place}  {_followed(event)}"
    if "transaction_ids" in event:
        return f"{place}  {len(event['transaction_ids'])} transactions  {event['hash']}"
    if "error" in event:
        name = event["transaction_id"] or f"tx_hash {event['tx_hash']}"
        return f"{place}  {name}  {event['error']}: {event['reason']}"
    operation = event.get("transaction", {}).get("operation", "")
    asset = event["asset_id"]
    of = "" if asset == event["transaction_id"] else f"  of asset {asset}"
    return f"{place}  {operation:{10 if operation else 0}}{event['transaction_id']}{of}"


def _followed(event: Event) -> str:
    """A transaction or a block of a followed chain."""
    events = f"{len(event['events'])} events"
    if "tx_hash" not in event:
        return f"{event['transactions']} transactions  {events}  {event['hash']}"
    code = f"  failed with code {event['code']}" if event["code"] else ""
    log = f": {event['log']}" if code and event.get("log") else ""
    return f"{event['tx_hash']}  {events}{code}{log}"


def _abci_event(event: Event) -> str:
    # Not its position: only the last one of a transaction has that.
    index = f":{event['index']}" if "index" in event else ""
    place = f"{event['height']}{index}#{event['event_index']}"
    attributes = "  ".join(
        f"{a['key']}={_value(a['value'])}" for a in event["attributes"]
    )
    return (
        f"{place}  {event.get('time', '')}  {event['phase']}  {event['type']}"
        f"  {attributes}".rstrip()
    )


def _value(value: Any) -> str:
    """A value, quoted where its end would not be seen."""
    text = str(value)
    return text if text and " " not in text else json.dumps(text, ensure_ascii=False)
