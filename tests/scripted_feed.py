"""The events of a followed chain, served by scripted servers to clients of any language.

Events of a transaction, or of a block, are one unit: only the last one has their position.
"""

from __future__ import annotations

from typing import Any

from tests.scripted_server import BEGINNING, Act, Visit, end_of, hexes

Message = dict[str, Any]


def unit(height: int, index: int | None, count: int) -> list[Message]:
    """The events of a transaction, or of a block at its end, with every second number."""
    place: Message = {"height": height, "phase": "end"}
    position = end_of(height)
    if index is not None:
        tx_hash = hexes(height, index)
        place = {"height": height, "index": index, "tx_hash": tx_hash, "phase": "tx"}
        position = f"{height}:{index}:{tx_hash[:8]}"
    events: list[Message] = [
        {
            **place,
            "event_index": 2 * number,
            "type": "transfer",
            "attributes": [{"key": "amount", "value": str(number)}],
            "time": "2026-01-02T03:04:05.123456789Z",
        }
        for number in range(count)
    ]
    events[-1]["position"] = position
    return events


def gap(first: int, last: int) -> Message:
    detail = "no node has them"
    said = {"first": first, "last": last, "reason": "pruned", "detail": detail}
    return {"gap": said, "position": str(last)}


UNITS = [
    *[unit(1, 0, 3), unit(1, 2, 1), unit(1, None, 2)],
    *[[gap(2, 4)], unit(5, None, 4), unit(6, 0, 2)],
]
FEED = [message for each in UNITS for message in each]
"""What `feed` serves."""

_STARTS = {
    str(message["position"]): number
    for number, message in enumerate(FEED, 1)
    if "position" in message
}


async def begin_feed(visit: Visit) -> int:
    """Accept, and return how many messages are known to who asks."""
    asked = visit.asked("after")
    start = _STARTS[asked] if asked in _STARTS else 0
    position = asked if start and asked else BEGINNING
    await visit.accept(position, tip=6)
    if visit.asked("notices"):
        await visit.notice("subscribed", position, oldest=1, tip=6)
    return start


def feed(count: int | None = None, *, code: int | None = None) -> Act:
    """Send what comes next, so many messages of it, and then hang up, or close with a code."""

    async def act(visit: Visit) -> None:
        start = await begin_feed(visit)
        await visit.send(*FEED[start : None if count is None else start + count])
        if code is not None:
            await visit.close(code)
        elif count is None:
            await visit.until_gone()

    return act


def sending_feed(*messages: Message) -> Act:
    """Send these, wherever the client stands."""

    async def act(visit: Visit) -> None:
        await begin_feed(visit)
        await visit.send(*messages)
        await visit.until_gone()

    return act
