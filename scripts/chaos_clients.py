"""The subscribers of `chaos`: they lose their connections again and again, and resume.

One half uses `trio_stream.client`; the other does by hand what the manual says: remember the last
position, or transaction id, of a message, and ask for what comes after it. They take all streams
and forms in turn, and if there are several servers of the chain, each connection may be to another
one. What each is owed follows from the chain's blocks.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

import trio

from scripts.raw_stream import NotUpgraded, open_raw_stream
from trio_stream.client import open_stream

Message = dict[str, Any]
Document = Mapping[str, Any]
Fact = tuple[int, object]
"""What makes a message unique: its height, and which one of that height it is."""

# The daemon is away for almost a second; many reconnect in that time, as clients would.
_PAUSE = 0.2
_SILENCE = 5.0


class KnownBlock(NamedTuple):
    """A block of the chain: its transactions in order, None for each refused one."""

    height: int
    transactions: Sequence[Document | None]


@dataclass(frozen=True)
class Wish:
    """What a subscriber asks for."""

    stream: str = "valid_transactions"
    detail: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.stream, self.detail, *self.filters]).strip()

    def owed(self, blocks: Sequence[KnownBlock]) -> Iterator[Fact]:
        """All messages that it must get, in order."""
        for height, transactions in blocks:
            valid = [each for each in transactions if each is not None]
            match self.stream:
                case "valid_transactions":
                    yield from (
                        (height, each["id"]) for each in valid if self._wants(each)
                    )
                case "refused_transactions":
                    for index, each in enumerate(transactions):
                        if each is None:
                            yield height, index
                case "valid_blocks" if valid:
                    yield height, tuple(each["id"] for each in valid)

    def _wants(self, document: Document) -> bool:
        named = [each["owners_before"] for each in document["inputs"]]
        named += [each["public_keys"] for each in document["outputs"]]
        has = {
            "asset_id": {document["asset"].get("id", document["id"])},
            "public_key": {key for keys in named for key in keys},
            "operation": {document["operation"]},
        }
        return all(value in has[name] for name, value in self.filters.items())

    def fact(self, message: Message) -> Fact:
        """The fact that a message states."""
        match self.stream:
            case "valid_blocks":
                return message["height"], tuple(message["transaction_ids"])
            case "refused_transactions":
                return message["height"], message["index"]
        return message["height"], message["transaction_id"]


def wishes(asset_id: str, public_key: str) -> Iterator[Wish]:
    """All kinds of wishes in turn, endlessly, some about this asset and this key."""
    return itertools.cycle(
        [
            Wish(),
            Wish(detail="position"),
            Wish(detail="full"),
            Wish(detail="position", filters={"asset_id": asset_id}),
            Wish("valid_blocks", "position"),
            Wish(
                detail="position",
                filters={"public_key": public_key, "operation": "CREATE"},
            ),
            Wish("refused_transactions", "position"),
        ]
    )


class ChaosSubscriber:
    """What one of them has received so far, over all its connections."""

    def __init__(self, name: str, wish: Wish, *addresses: str) -> None:
        self.name = f"{name}, {wish}"
        self.wish = wish
        self.facts: list[Fact] = []
        self.addresses = addresses
        """The servers of the chain, as host:port."""
        self._grown = trio.Event()

    async def follow(self) -> None:
        """Receive messages, for ever."""
        raise NotImplementedError

    async def has(self, count: int) -> None:
        """Wait until it has received so many."""
        while len(self.facts) < count:
            self._grown = trio.Event()
            await self._grown.wait()

    @property
    def path(self) -> str:
        return f"/api/v1/streams/{self.wish.stream}"

    def take(self, message: Message) -> None:
        self.facts.append(self.wish.fact(message))
        self._grown.set()


class LibrarySubscriber(ChaosSubscriber):
    """One that leaves everything to the library."""

    async def follow(self) -> None:
        options: dict[str, Any] = dict(self.wish.filters)
        if self.wish.detail:
            options["detail"] = self.wish.detail
        urls = [f"ws://{address}{self.path}" for address in self.addresses]
        async with open_stream(
            urls, after="earliest", silence_timeout=_SILENCE, **options
        ) as events:
            async for event in events:
                self.take(event)


class HandmadeSubscriber(ChaosSubscriber):
    """One that does it by hand, and leaves each server after at most `patience` seconds."""

    after = "earliest"
    patience = float("inf")
    connections = 0

    async def follow(self) -> None:
        for address in itertools.cycle(self.addresses):
            with (
                suppress(OSError, trio.BrokenResourceError, trio.EndOfChannel),
                trio.move_on_after((1 - random.random()) * self.patience),
            ):
                await self._follow_one(address)
            await trio.sleep(random.random() * _PAUSE)

    async def _follow_one(self, address: str) -> None:
        try:
            async with open_raw_stream(address, self._target()) as stream:
                self.connections += 1
                while True:
                    self._take_text(await stream.text())
        except NotUpgraded as refused:
            # A server that is behind does not know the place yet.
            if refused.status not in (404, 503):
                raise

    async def rest(self) -> int:
        """Receive what there is up to the tip; returns how much that was."""
        before = len(self.facts)
        target = self._target(until="tip")
        async with open_raw_stream(self.addresses[0], target) as stream:
            with suppress(trio.EndOfChannel):
                while True:
                    self._take_text(await stream.text())
            assert stream.close_code == 1000, (self.name, stream.close_code)
        return len(self.facts) - before

    def _target(self, **more: str) -> str:
        asked = {"after": self.after, **self.wish.filters, **more}
        if self.wish.detail:
            asked["detail"] = self.wish.detail
        return f"{self.path}?{urlencode(asked)}"

    def _take_text(self, text: bytes) -> None:
        message = json.loads(text)
        self.take(message)
        self.after = message.get("position") or message["transaction_id"]
