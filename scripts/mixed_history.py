"""What happens on a chain with everything in it: trade, elections, votes, changing validators.

The founder's validator has the engine, and keeps more than two thirds of the power; the others who
are elected exist only by their keys.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Sequence

import trio

from scripts import http_client
from scripts.daemon_process import RunningDaemon
from scripts.signing import Document, Key, create, encode, transfer
from tests.voting import election, key_of, migration, vote

PEOPLE = [Key.from_seed(name.encode().ljust(32, b".")) for name in ("Ann", "Ben")]
ELECTED = [Key.from_seed(bytes([n]) * 32) for n in (101, 102, 103, 104)]
"""Validators without an engine."""
FOUNDER_POWER = 100
MOST_POWER = 8
"""All of ELECTED together stay far below a third."""
MOST_THINGS = 50
TRIES = 6


class Unexpected(Exception):
    """A transaction met another fate than it must."""


class History:
    """What happens next, and what is known of what happened."""

    def __init__(
        self, daemon: RunningDaemon, founder: Key, chance: random.Random
    ) -> None:
        self._daemon = daemon
        self._founder = founder
        self._chance = chance
        self._keys = {key_of(key): key for key in (founder, *ELECTED)}
        self._things: list[tuple[Document, Key]] = []
        """Assets whose first output is unspent, and whose it is."""
        self._transferred: list[list[tuple[Document, Key]]] = []
        """Transfers under way; of each list one is accepted."""
        self._number = 0

    async def go_on(self) -> None:
        """Open three elections; one concludes, and the others expire or fail."""
        members = await self._members()
        first, second = self._chance.sample(ELECTED, 2)
        changes = [self._change(each, members) for each in (first, second)]
        proposer, _ = self._chance.choice(members)
        move = migration(proposer=proposer, recipients=members, seed=self._name())
        await self._commit(*changes, move)

        votes, again = self._votes((*changes, move), [key for key, _ in members])
        await self._commit(*votes)
        await self._commit(*again)
        decisive = await self._decisive(changes[0])
        late = await self._decisive(changes[1])
        if self._chance.random() < 0.3:
            # Of two changes in one block, one is made.
            await self._commit(decisive, late)
            return
        await self._commit(decisive)
        for _ in range(2):
            await self._commit()
        # The set has changed since that election was opened.
        await self._commit(late)

    def _votes(
        self, opened: Iterable[Document], voters: Sequence[Key]
    ) -> tuple[list[Document], list[Document]]:
        """The votes of all but the founder, and those of whoever kept the tokens by a trick."""
        votes, again = [], []
        for each in opened:
            for key in voters:
                if key is not self._founder:
                    keeps = self._chance.random() < 0.3
                    votes.append(vote(each, key, keeps=keeps))
                    if keeps:
                        again.append(vote(each, key, spent=votes[-1]))
        return votes, again

    async def _decisive(self, opened: Document) -> Document:
        """The founder's vote, which decides; perhaps another votes for them."""
        if self._chance.random() < 0.7:
            return vote(opened, self._founder)
        other = self._chance.choice(PEOPLE)
        handed_on = vote(opened, self._founder, recipients=[(other, FOUNDER_POWER)])
        await self._commit(handed_on)
        return vote(opened, other, spent=handed_on)

    def _change(self, candidate: Key, members: Sequence[tuple[Key, int]]) -> Document:
        """An election that gives the candidate more, less or no power."""
        had = dict(members).get(candidate, 0)
        powers = [each for each in range(MOST_POWER + 1) if each != had]
        power = 0 if had and self._chance.random() < 0.5 else None
        return election(
            candidate,
            power=self._chance.choice(powers) if power is None else power,
            proposer=self._chance.choice(members)[0],
            recipients=members,
            seed=self._name(),
        )

    async def _members(self) -> list[tuple[Key, int]]:
        answer = await self._daemon.http("GET", "/api/v1/validators")
        return [
            (
                self._keys[base64.b64decode(each["public_key"]["value"])],
                each["voting_power"],
            )
            for each in answer.json()
        ]

    async def _commit(self, *documents: Document) -> None:
        """Bring these and some trade into the next blocks."""
        creations = [self._creation() for _ in range(self._chance.randrange(1, 4))]
        async with trio.open_nursery() as nursery:
            for each in (*documents, *(document for document, _ in creations)):
                nursery.start_soon(self._must_be_accepted, each)
            for thing in self._taken(self._chance.randrange(4)):
                nursery.start_soon(self._pass_on, *thing)
        self._things += creations
        transferred, self._transferred = self._transferred, []
        for rivals in transferred:
            await self._received(rivals)

    def _creation(self) -> tuple[Document, Key]:
        owner = self._chance.choice(PEOPLE)
        data = {"name": self._name(), "weight": self._chance.random(), "Größe": None}
        metadata = {"n": self._number} if self._chance.random() < 0.5 else None
        amounts = [self._chance.randrange(1, 100) for _ in range(2)]
        recipients = [(owner, amount) for amount in amounts]
        return create(owner, recipients=recipients, data=data, metadata=metadata), owner

    def _taken(self, count: int) -> list[tuple[Document, Key]]:
        self._chance.shuffle(self._things)
        taken, self._things = self._things[:count], self._things[count:MOST_THINGS]
        return taken

    async def _pass_on(self, thing: Document, owner: Key) -> None:
        """Transfer a thing, perhaps twice at once: one is refused, mostly in the block."""
        amount = int(thing["outputs"][0]["amount"])
        rivals = [
            (transfer(thing, owner, recipients=[(to, amount)]), to)
            for to in PEOPLE[: self._chance.randrange(1, 3)]
        ]
        for transferred, _ in rivals:
            # The second may be refused at once, or drop out of the mempool, where nobody waits.
            await self._post(transferred, "sync")
        self._transferred.append(rivals)

    async def _received(self, rivals: list[tuple[Document, Key]]) -> None:
        """Take up the one of these transfers that is in a block, once one is."""
        for each in rivals:
            if await self._is_known(each[0]):
                self._things.append(each)
                return
        self._transferred.append(rivals)

    async def _must_be_accepted(self, document: Document) -> None:
        for n in range(TRIES):
            # Tendermint 0.31 now and then forgets a transaction, and may take its bytes for known.
            # The same members in another order are the same transaction in other bytes.
            members = [*document.items()][:: -1 if n % 2 else 1]
            answer = await self._post(dict(members), "commit")
            if answer.status == 202 or await self._is_known(document):
                return
            if b"Timed out" not in answer.body and b"in cache" not in answer.body:
                break
        raise Unexpected(f"{answer.status} {answer.body!r} for {document}")

    async def _is_known(self, document: Document) -> bool:
        target = f"/api/v1/transactions/{document['id']}"
        return (await self._daemon.http("GET", target)).status == 200

    async def _post(self, document: Document, mode: str) -> http_client.Response:
        return await self._daemon.post(encode(document), mode)

    def _name(self) -> str:
        self._number += 1
        return f"the {self._number}th"
