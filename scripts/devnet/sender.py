"""Posts transactions to a network: things are made, and change hands.

Each post goes to another node. Now and then two transfers of one thing go to two nodes at once; one
of them is refused, by the node or in the block.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio

from scripts.devnet.node import Node
from scripts.engines.process import NOT_THERE
from scripts.signing import Document, Key, create, encode, transfer

PEOPLE = [Key.from_seed(name.encode().ljust(32, b".")) for name in ("Alice", "Bob")]

MOST_THINGS = 50
"""So many things are passed on; others stay with those who made them."""
POST_SECONDS = 5.0


class Sender:
    """Chooses what to post, and where; `posted` is called with each transaction's id."""

    def __init__(
        self,
        nodes: Sequence[Node],
        chance: random.Random,
        posted: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.asset = create(PEOPLE[0], data={"moves": "often"})
        """The first thing."""
        self.accepted = 0
        """How many posts were answered with 202."""
        self._nodes = nodes
        self._chance = chance
        self._posted = posted
        self._moved = self.asset
        self._move_next = self._transfer(self.asset, "on")
        self._things: list[Document] = []
        self._number = 0

    async def run(self, pause: float, *, tasks: int = 1) -> None:
        """Post for ever; each task pauses so many seconds after each step."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._repeat, self._move, pause)
            for _ in range(tasks):
                nursery.start_soon(self._repeat, self._step, pause)

    async def _repeat(self, work: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            await work()
            await trio.sleep(pause)

    async def _move(self) -> None:
        """Pass the first thing on."""
        node = self._some(1)[0]
        if await self._post(self._move_next, node) or await self._is_known(node):
            self._moved = self._move_next
            self._move_next = self._transfer(self._moved, "on")
        else:
            # Perhaps a node lost the last one before it was in a block. Posting it again does no
            # harm if not.
            await self._post(self._moved, self._some(1)[0])

    async def _is_known(self, node: Node) -> bool:
        """Whether the last move is in a block, although the answer to its post was lost."""
        daemon = node.daemon
        if daemon is None:
            return False
        target = f"/api/v1/transactions/{self._move_next['id']}"
        with suppress(*NOT_THERE), trio.fail_after(POST_SECONDS):
            return (await daemon.http("GET", target)).status == 200
        return False

    async def _step(self) -> None:
        """Make a thing; or pass one on, now and then to two people at once."""
        chosen = self._chance.randrange(10)
        if chosen < 5 or not self._things:
            await self._make()
            return
        last = self._things.pop(self._chance.randrange(len(self._things)))
        if chosen == 5:
            async with trio.open_nursery() as nursery:
                for node, why in zip(self._some(2), ("here", "there"), strict=True):
                    transaction = self._transfer(last, why)
                    nursery.start_soon(self._post, transaction, node)
        else:
            await self._post(self._transfer(last, "on"), self._some(1)[0], self._keep)

    async def _make(self) -> None:
        self._number += 1
        maker = PEOPLE[self._number % len(PEOPLE)]
        # The sender of another run must not make the same.
        data = {"n": self._number, "salt": self._chance.getrandbits(63)}
        await self._post(create(maker, data=data), self._some(1)[0], self._keep)

    def _keep(self, thing: Document) -> None:
        if len(self._things) < MOST_THINGS:
            self._things.append(thing)

    def _transfer(self, last: Document, why: str) -> Document:
        (owner,) = [
            each
            for each in PEOPLE
            if each.public == last["outputs"][0]["public_keys"][0]
        ]
        taker = self._chance.choice(PEOPLE)
        return transfer(last, owner, recipients=[(taker, 1)], metadata={"why": why})

    def _some(self, count: int) -> list[Node]:
        return self._chance.sample(list(self._nodes), count)

    async def _post(
        self,
        document: Document,
        node: Node,
        accepted: Callable[[Document], object] = lambda _: None,
    ) -> bool:
        """Post it; returns whether it was accepted."""
        daemon = node.daemon
        if daemon is None:
            return False
        self._posted(document["id"])
        # It may be killed, frozen or cut off meanwhile.
        with suppress(*NOT_THERE), trio.fail_after(POST_SECONDS):
            answer = await daemon.post(encode(document), "sync")
            if answer.status == 202:
                self.accepted += 1
                accepted(document)
                return True
        return False
