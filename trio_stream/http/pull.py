"""GET /api/v1/events: the streams for clients that poll.

An answer holds the next messages, oldest first, and the position for the next request. It comes at
once if there are any messages; otherwise it waits for the first, as long as the client wishes.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Final, NamedTuple

import trio

from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.events import with_positions
from trio_stream.stream import sse
from trio_stream.stream.frames import texts_in
from trio_stream.stream.request import Asked, BadRequest, parse_pull
from trio_stream.stream.resume import Beginning, ResumeRefused
from trio_stream.stream.selection import Form

PULL_PATH: Final = "/api/v1/events"

# Messages with whole transactions may be large; at least one is sent, whatever its size.
_ANSWER_BYTES = 1024 * 1024
# Seconds for which the log is searched while a filter matches nothing; then the answer says how
# far the search got.
_PATIENCE = 1.0
_PIECE_BYTES = 64 * 1024


class Pulled(NamedTuple):
    """An answer, and for a refusal the seconds after which to ask again."""

    answer: HttpAnswer
    retry_after: int | None = None


class Pull:
    """Answers pulls."""

    def __init__(self, channel: CommitChannel) -> None:
        self._channel = channel

    async def answer(self, query: str) -> Pulled:
        """The next messages; any query string gets an answer."""
        try:
            asked = parse_pull(query)
            beginning = await self._channel.begin(asked)
            return Pulled(await self._messages(asked, beginning))
        except BadRequest as error:
            refused = await self._channel.refuse(error)
        except ResumeRefused as error:
            refused = error
        answer = HttpAnswer(refused.status, refused.body())
        return Pulled(answer, refused.retry_after)

    async def _messages(self, asked: Asked, beginning: Beginning) -> HttpAnswer:
        channel = self._channel
        with channel.clone(
            beginning.after,
            selection=with_positions(asked).selection,
            until=beginning.until,
        ) as clone:
            collecting = _Collecting(clone, asked)
            if beginning.unproven is not None:
                if not await collecting.has_reached():
                    return self._answer(asked, beginning, [], beginning.text)
                await channel.prove(beginning)
            texts = await collecting.texts()
            if len(texts) >= asked.limit:
                texts = texts[: asked.limit]
                following = sse.position_of(texts[-1])
            else:
                following = await channel.position_text(clone.position)
        return self._answer(asked, beginning, texts, following)

    def _answer(
        self, asked: Asked, beginning: Beginning, texts: list[bytes], following: str
    ) -> HttpAnswer:
        selection, marks = asked.selection, beginning.landmarks
        if selection.form is Form.PLAIN:
            texts = [sse.plain(text, selection.stream) for text in texts]
        tip = max(marks.tip, self._channel.height)
        body = b'{"events": [%b], "next": "%b", "oldest": %d, "tip": %d}\n' % (
            b", ".join(texts),
            following.encode("ascii"),
            marks.oldest,
            tip,
        )
        return HttpAnswer(200, body)


class _Collecting:
    """Collects from a clone what one answer will hold."""

    def __init__(self, clone: CommitReceiveChannel, asked: Asked) -> None:
        self._clone = clone
        self._asked = asked
        self._began = trio.current_time()

    @property
    def _left(self) -> float:
        """The seconds that the client is still willing to wait."""
        return max(0.0, self._began + self._asked.wait - trio.current_time())

    async def has_reached(self) -> bool:
        """Wait until the log has reached the client's position."""
        reached = False
        with trio.move_on_after(self._left), suppress(trio.EndOfChannel):
            await self._clone.reached()
            reached = True
        return reached

    async def texts(self) -> list[bytes]:
        """The messages; there may be some more than the limit."""
        found: list[bytes] = []
        size = 0
        with suppress(trio.EndOfChannel):
            while len(found) < self._asked.limit and size < _ANSWER_BYTES:
                if self._clone.at_tip and (found or not self._left):
                    break
                if not found and self._searched_enough():
                    break
                data = await self._take()
                size += len(data)
                found += texts_in(data)
        return found

    def _searched_enough(self) -> bool:
        return trio.current_time() - self._began > max(_PATIENCE, self._asked.wait)

    async def _take(self) -> bytes:
        # Before the tip only the log is waited for, and that ends by itself.
        left = self._left if self._clone.at_tip else math.inf
        with trio.move_on_after(left):
            batch = await self._clone.receive()
            data, position = batch.take(_PIECE_BYTES)
            self._clone.seek(position)
            return data
        return b""
