"""The subscribers of `chaos_follow`, and what each is owed by what the node says of its blocks.

One half uses `trio_stream.client`; the other does by hand what the manual says: a transaction's or
a block's events are taken once the last of them has come, which says where they stand, and what
was begun before a connection broke is dropped.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

import trio

from scripts.chaos_clients import ChaosSubscriber, Fact, Message, Wish
from scripts.raw_stream import NotUpgraded, open_raw_stream

_PAUSE = 0.2

Attributes = tuple[tuple[str, str], ...]


class KnownEvent(NamedTuple):
    """An event as the node says it."""

    type: str
    attributes: Attributes

    @classmethod
    def of(cls, raw: Message) -> KnownEvent:
        pairs = ((each["key"], each["value"]) for each in raw["attributes"])
        return cls(raw["type"], tuple(pairs))


class KnownTransaction(NamedTuple):
    """A transaction and what became of it."""

    hash: str
    code: int
    events: tuple[KnownEvent, ...]


class FollowedBlock(NamedTuple):
    """A block of the chain that is followed."""

    height: int
    hash: str
    transactions: Sequence[KnownTransaction]


@dataclass(frozen=True)
class FollowWish(Wish):
    """What a subscriber to a follower asks for."""

    key: str = ""
    """Part of a value of `app.key`, if not everything is wanted."""

    def owed(self, blocks: Sequence[FollowedBlock]) -> Iterator[Fact]:  # type: ignore[override]
        for height, block_hash, transactions in blocks:
            match self.stream:
                case "blocks":
                    yield fact(height, block_hash, len(transactions), ())
                case "transactions":
                    for index, each in enumerate(transactions):
                        if any(map(self._wants_event, each.events)):
                            yield fact(height, index, *each)
                case "events":
                    for index, each in enumerate(transactions):
                        for number, event in enumerate(each.events):
                            if self._wants_event(event):
                                yield fact(height, index, each.hash, number, event)

    def _wants_event(self, event: KnownEvent) -> bool:
        if not self.key:
            return True
        return event.type == "app" and any(
            key == "key" and self.key in value for key, value in event.attributes
        )

    def fact(self, message: Message) -> Fact:
        height = message["height"]
        match self.stream:
            case "blocks":
                events = tuple(map(KnownEvent.of, message["events"]))
                return fact(height, message["hash"], message["transactions"], events)
            case "transactions":
                events = tuple(map(KnownEvent.of, message["events"]))
                place = message["index"], message["tx_hash"], message["code"]
                return fact(height, *place, events)
        event = KnownEvent.of(message)
        place = message["index"], message["tx_hash"], message["event_index"]
        return fact(height, *place, event)


def fact(height: int, *parts: object) -> Fact:
    """All of a message in little: there are millions."""
    return height, hash(parts)


def follow_wishes() -> Iterator[FollowWish]:
    """All kinds of wishes in turn, endlessly."""
    sevens = {"query": "app.key CONTAINS '7'"}
    return itertools.cycle(
        [
            FollowWish("transactions"),
            FollowWish("transactions", "position"),
            FollowWish("events", "position"),
            FollowWish("transactions", "full", sevens, key="7"),
            FollowWish("blocks", "position"),
            FollowWish("events", "full", sevens, key="7"),
            FollowWish("transactions", "", sevens, key="7"),
        ]
    )


class HandmadeFollower(ChaosSubscriber):
    """One that does it by hand."""

    after = "earliest"

    def __init__(self, name: str, wish: Wish, *addresses: str) -> None:
        super().__init__(name, wish, *addresses)
        self._begun: list[Message] = []

    async def follow(self) -> None:
        while True:
            with suppress(OSError, trio.BrokenResourceError, trio.EndOfChannel):
                await self._follow_one(self.addresses[0])
            await trio.sleep(random.random() * _PAUSE)

    async def _follow_one(self, address: str) -> None:
        self._begun.clear()
        try:
            async with open_raw_stream(address, self._target()) as stream:
                while True:
                    self._take(json.loads(await stream.text()))
        except NotUpgraded as refused:
            # The follower has no chain yet, or is stopping.
            if refused.status not in (404, 503):
                raise

    def _take(self, message: Message) -> None:
        self._begun.append(message)
        after = message.get("position")
        if after is None and "event_index" not in message:
            after = message["tx_hash"]
        if after is not None:
            self.after = after
            for each in self._begun:
                self.take(each)
            self._begun.clear()

    async def rest(self) -> int:
        """Receive what there is up to the tip; returns how much that was."""
        before = len(self.facts)
        async with open_raw_stream(
            self.addresses[0], self._target(until="tip")
        ) as stream:
            with suppress(trio.EndOfChannel):
                while True:
                    self._take(json.loads(await stream.text()))
            assert stream.close_code == 1000, (self.name, stream.close_code)
        return len(self.facts) - before

    def _target(self, **more: str) -> str:
        asked: dict[str, Any] = {"after": self.after, **self.wish.filters, **more}
        if self.wish.detail:
            asked["detail"] = self.wish.detail
        return f"{self.path}?{urlencode(asked)}"
