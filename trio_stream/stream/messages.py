"""The texts of all messages: of transactions, blocks and refusals, in each form.

Without `detail` a transaction's text is BigchainDB's (`events.encode`). Richer forms add
members after that, so a program that reads the plain form can read them all. Live messages
and those from the log are the same bytes; `log.joins` makes some of them in SQL, and has to
agree with this. Members are written as Python's `json.dumps` writes them, escaped outside ASCII.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Final

from trio_stream.abci.messages import Time
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent, encode
from trio_stream.stream.position import position_text
from trio_stream.stream.selection import Form
from trio_stream.transactions import canonical

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_SECOND: Final = int((datetime(1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
LAST_SECOND: Final = int(
    (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds()
)
LAST_NANO: Final = 999_999_999


def time_text(time: Time) -> str:
    """A block's time in the format of RFC 3339, in UTC, to the nanosecond."""
    # Clamped to what RFC 3339 can express: a header, or a file that is imported, may say anything.
    seconds = min(max(time.seconds, FIRST_SECOND), LAST_SECOND)
    nanos = min(max(time.nanos, 0), LAST_NANO)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.replace(tzinfo=None).isoformat()}.{nanos:09d}Z"


def event_text(
    event: CommitEvent, form: Form, *, time: str = "", raw: bytes = b""
) -> bytes:
    """The text of a committed transaction. `raw`, its bytes, is needed only for `FULL`."""
    plain = encode(event)
    if form is Form.PLAIN:
        return plain
    position = position_text(event.height, event.index, event.transaction_id)
    more = (
        f', "index": {event.index}, "position": "{position}", "time": "{time}",'
        f' "tx_hash": "{event.tx_sha256.hex().upper()}"'
    )
    if form is Form.FULL:
        more += f', "transaction": {transaction_text(raw)}'
    return plain[:-1] + more.encode("ascii") + b"}"


def transaction_text(raw: bytes) -> str:
    """The JSON value that was committed as these bytes."""
    return json.dumps(canonical.decode(raw))


def block_text(block: CommittedBlock, form: Form) -> bytes:
    """The text of a block: its app hash and the transactions that it committed."""
    ids = ", ".join(f'"{event.transaction_id}"' for event in block.events)
    text = (
        f'{{"height": {block.height}, "hash": "{block.app_hash}",'
        f' "transaction_ids": [{ids}]'
    )
    if form is not Form.PLAIN:
        position = position_text(block.height, None, block.app_hash)
        text += f', "position": "{position}", "time": "{time_text(block.time)}"'
    return text.encode("ascii") + b"}"


def refusal_text(refusal: RefusalEvent, form: Form, *, time: str = "") -> bytes:
    """The text of a refused transaction."""
    message: dict[str, object] = {
        "height": refusal.height,
        "index": refusal.index,
        "transaction_id": refusal.transaction_id,
        "tx_hash": refusal.tx_sha256.hex().upper(),
        "error": refusal.error,
        "reason": refusal.reason,
    }
    if form is not Form.PLAIN:
        message["position"] = position_text(
            refusal.height, refusal.index, refusal_fingerprint(refusal)
        )
        message["time"] = time
    return json.dumps(message).encode("ascii")


def refusal_fingerprint(refusal: RefusalEvent) -> str:
    """The fingerprint of a refused transaction: its id, or the hash of its bytes if it has none."""
    return refusal.transaction_id or refusal.tx_sha256.hex()
