"""GET /api/v1/events: the streams for those who ask again and again.

One answer holds the next messages, oldest first, and the position to ask for next. It
comes at once if there are any, and else waits for the first, as long as the client wants.
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

# Messages with whole transactions may be large; one of any size is given.
_ANSWER_BYTES = 1024 * 1024
# Seconds for which the log is searched where a filter matches nothing; then the client
# is told how far that got.
_PATIENCE = 1.0
_PIECE_BYTES = 64 * 1024


class Pulled(NamedTuple):
    """An answer, and the seconds after which to come again if it cannot be given."""

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
    """Takes from a clone what one answer is to hold."""

    def __init__(self, clone: CommitReceiveChannel, asked: Asked) -> None:
        self._clone = clone
        self._asked = asked
        self._began = trio.current_time()

    @property
    def _left(self) -> float:
        """Seconds for which the client still waits."""
        return max(0.0, self._began + self._asked.wait - trio.current_time())

    async def has_reached(self) -> bool:
        """Wait for the log to get where the client is."""
        reached = False
        with trio.move_on_after(self._left), suppress(trio.EndOfChannel):
            await self._clone.reached()
            reached = True
        return reached

    async def texts(self) -> list[bytes]:
        """The messages, which may be some more than wanted."""
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
        # Short of the tip nothing waits but for the log.
        left = self._left if self._clone.at_tip else math.inf
        with trio.move_on_after(left):
            batch = await self._clone.receive()
            data, position = batch.take(_PIECE_BYTES)
            self._clone.seek(position)
            return data
        return b""
