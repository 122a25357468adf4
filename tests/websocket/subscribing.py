"""What tests of subscribers share: what a log holds as text, and what peers receive."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.memory_log import MemoryLog, app_hash, event
from tests.websocket_door import Door
from tests.websocket_peer import TEXT, Peer, request
from trio_stream.stream.composer import Composer
from trio_stream.stream.frames import texts_in
from trio_stream.stream.matching import Matched, SelectionIndex
from trio_stream.stream.node_request import NODE_READER
from trio_stream.stream.position import Position
from trio_stream.stream.runs import cut

START = Position.end_of(0)


BLOCKS = "/api/v1/streams/valid_blocks"


REFUSED = "/api/v1/streams/refused_transactions"


def texts_of(log: MemoryLog, path: str, after: Position = START) -> list[str]:
    """All messages that this path and query select."""
    name, _, query = path.rpartition("/")[2].partition("?")
    kept = "&".join(p for p in query.split("&") if not p.startswith(("after", "until")))
    selection = NODE_READER.subscription(name, kept).selection
    index, texts = SelectionIndex(), list[str]()
    index.add(selection)
    for run in cut(log.blocks, after=START):
        contents = {p.key: log.contents_of(p) for p in index.wanted(run)}
        found: Matched = {}
        for _ in index.match(run, contents, found):
            pass
        for numbers in found.values():
            frames = Composer(run, contents).frames(selection, numbers or ())
            texts += [
                text.decode()
                for key, text in zip(frames.keys, texts_in(frames.data), strict=True)
                if key > after.key
            ]
    return texts


def head_of(peer: Peer) -> Mapping[str, str]:
    lines = peer.head.decode().split("\r\n")[1:-2]
    return {
        name.lower(): value for name, _, value in (x.partition(": ") for x in lines)
    }


async def refused(
    door: Door, path: str
) -> tuple[int, Mapping[str, str], dict[str, object]]:
    """What is answered to one who may not come in."""
    peer = await door.connect()
    await peer.send(request(target=path))
    answer = await peer.read_all()
    peer.head, _, body = answer.partition(b"\r\n\r\n")
    return int(answer.split()[1]), head_of(peer), json.loads(body)


async def notice(peer: Peer) -> dict[str, object]:
    opcode, payload = await peer.next()
    assert opcode == TEXT, (opcode, payload)
    message: dict[str, object] = json.loads(str(payload))
    assert "notice" in message, message
    return message


def position_of(log: MemoryLog, height: int, index: int) -> str:
    return f"{height}:{index}:{event(height, index).transaction_id[:8]}"


def end_of(height: int) -> str:
    return f"{height}::{app_hash(height)[:8]}"
