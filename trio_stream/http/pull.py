"""GET /api/v1/events: the streams for clients that poll.

An answer holds the next messages, oldest first, and the position for the next request. It comes at
once if there are any messages; otherwise it waits for the first, as long as the client wishes.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Generic, NamedTuple

import trio

from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.http.answers import HttpAnswer
from trio_stream.stream import sse
from trio_stream.stream.frames import texts_in
from trio_stream.stream.page_request import S
from trio_stream.stream.request import Asked, BadRequest
from trio_stream.stream.resume import Beginning, ResumeRefused

# Messages with whole transactions may be large; at least one is sent, whatever its size.
_ANSWER_BYTES = 1024 * 1024
# Seconds for which the log is searched while a filter matches nothing; then the answer says how
# far the search got.
_PATIENCE = 1.0
_PIECE_BYTES = 64 * 1024
# Of messages with one position there may be many, and others have a turn in between.
_TEXTS_AT_ONCE = 1_000


class Pulled(NamedTuple):
    """An answer, and for a refusal the seconds after which to ask again."""

    answer: HttpAnswer
    retry_after: int | None = None


class Pull(Generic[S]):
    """Answers pulls."""

    def __init__(self, channel: CommitChannel[S]) -> None:
        self._channel = channel

    async def answer(self, query: str) -> Pulled:
        """The next messages; any query string gets an answer."""
        try:
            asked = self._channel.streams.reader.pull(query)
            beginning = await self._channel.begin(asked)
            return Pulled(await self._messages(asked, beginning))
        except BadRequest as error:
            refused = await self._channel.refuse(error)
        except ResumeRefused as error:
            # Its traceback holds this frame, and the frame would hold the error.
            refused = error.with_traceback(None)
        answer = HttpAnswer(refused.status, refused.body())
        return Pulled(answer, refused.retry_after)

    async def _messages(self, asked: Asked[S], beginning: Beginning) -> HttpAnswer:
        channel = self._channel
        with channel.clone(
            beginning.after,
            selection=channel.streams.with_positions(asked.selection),
            until=beginning.until,
        ) as clone:
            collecting = _Collecting(clone, asked)
            if beginning.unproven is not None:
                if not await collecting.has_reached():
                    return await self._answer(asked, beginning, [], beginning.text)
                await channel.prove(beginning)
            texts = await collecting.texts()
            texts, following = await _whole(texts, asked.limit)
            if following is None:
                following = await channel.position_text(clone.position)
        return await self._answer(asked, beginning, texts, following)

    async def _answer(
        self, asked: Asked[S], beginning: Beginning, texts: list[bytes], following: str
    ) -> HttpAnswer:
        marks, as_asked = beginning.landmarks, self._channel.streams.as_asked
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            some = slice(first, first + _TEXTS_AT_ONCE)
            texts[some] = [as_asked(asked.selection, text) for text in texts[some]]
            await trio.lowlevel.checkpoint()
        tip = max(marks.tip, self._channel.height)
        body = b'{"events": [%b], "next": "%b", "oldest": %d, "tip": %d}\n' % (
            b", ".join(texts),
            following.encode("ascii"),
            marks.oldest,
            tip,
        )
        return HttpAnswer(200, body)


async def _whole(texts: list[bytes], limit: int) -> tuple[list[bytes], str | None]:
    """So many messages, and as many more as share the last one's position, which comes with them.

    The position is None if these are all messages: the clone's own may be farther then.
    """
    for number in range(limit - 1, len(texts)):
        position = sse.position_of(texts[number])
        if position is not None:
            return texts[: number + 1], position
        if number % _TEXTS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return texts, None


class _Collecting(Generic[S]):
    """Collects from a clone what one answer will hold."""

    def __init__(self, clone: CommitReceiveChannel[S], asked: Asked[S]) -> None:
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
        """The messages; there may be some more than the limit.

        Raises `ResumeRefused` if the log has dropped what comes next and nothing was found.
        """
        found: list[bytes] = []
        size = 0
        with suppress(trio.EndOfChannel):
            while len(found) < self._asked.limit and size < _ANSWER_BYTES:
                if self._clone.at_tip and (found or not self._left):
                    break
                if not found and self._searched_enough():
                    break
                try:
                    data = await self._take()
                except ResumeRefused:
                    if not found:
                        raise
                    break
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
