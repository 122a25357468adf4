"""Being woken by a node that it has a new block: sooner than the next question for its status.

Nothing depends on it. A node that has no room, speaks no WebSocket or stops talking is tried again
with growing pauses, and meanwhile its status says the same later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import trio

from trio_stream.cometbft import envelope
from trio_stream.cometbft.errors import CometError, TooManySubscriptions
from trio_stream.cometbft.fields import height, members
from trio_stream.follower.nodes import Node
from trio_stream.follower.socket import Socket
from trio_stream.follower.troubles import NoAnswer, Trouble

logger = logging.getLogger(__name__)

QUERY = "tm.event='NewBlockHeader'"
"""It comes when the results are stored, and is a hundredth of the size of NewBlock."""

HEALTH_SECONDS = 10.0
SILENCE_SECONDS = 40.0
"""A node that answers no `health` for so long is gone: its WebSocket is opened again."""

SMALL = 64 * 1024
"""Bytes of a message that are read without a thread."""

MESSAGE_LIMIT = 8 * 2**20
"""In bytes. A header has one or two kilobytes; up to 0.37 the events of the block come along, some
hundred on a busy chain. A node that sends more wakes nobody."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
NO_ROOM_PAUSE = 600.0


async def listen(node: Node, woken: Callable[[int], None]) -> None:
    """Call `woken(height)` for each header that `node` announces, for ever."""
    pause = FIRST_PAUSE
    while True:
        heard = False

        def announced(height: int) -> None:
            nonlocal heard
            heard = True
            woken(height)

        try:
            await node.on_websocket(_Listening(announced).talk, MESSAGE_LIMIT)
        except TooManySubscriptions as error:
            logger.info("%s has no room for a subscription: %s", node.name, error)
            pause = NO_ROOM_PAUSE
        except (Trouble, CometError) as error:
            logger.debug("%s wakes nobody: %s", node.name, error)
            pause = FIRST_PAUSE if heard else min(2 * pause, LONGEST_PAUSE)
        await trio.sleep(pause)


class _Listening:
    def __init__(self, announced: Callable[[int], None]) -> None:
        self._announced = announced

    async def talk(self, socket: Socket) -> None:
        await socket.call(1, "subscribe", query=QUERY)
        heard = trio.current_time()
        while trio.current_time() - heard < SILENCE_SECONDS:
            message = None
            with trio.move_on_after(HEALTH_SECONDS):
                message = await socket.message()
            if message is None:
                await socket.call(0, "health")
                continue
            heard = trio.current_time()
            if len(message) > SMALL:
                # Up to 0.37 the events of the block come along.
                read = partial(announced_height, message)
                announced = await trio.to_thread.run_sync(read)
            else:
                announced = announced_height(message)
            if announced is not None:
                self._announced(announced)
        raise NoAnswer(f"silent for {SILENCE_SECONDS:g} s")


def announced_height(message: bytes) -> int | None:
    """The height of the header in a message; None if it answers a call. Raises CometError."""
    result = members(envelope.answer(message), "the message")
    if "data" not in result:
        return None
    value = members(members(result["data"], "data").get("value"), "the value")
    header = members(value.get("header"), "the header")
    return height(header.get("height"), "the header's height")
