"""Whether nodes agree on what a block did.

A header commits to transactions and to the codes, data and gas of their results, and nothing
commits to events: that those are true, only another node can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from trio_stream.cometbft.events import Event
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.follower.nodes import Node

OF_BLOCK: Final = "the events of the block"
LOST: Final = (
    ": one has none of its beginning, as an engine up to 0.37 that was killed while it executed it"
)
"""An engine that dies after the application's commit and before it has noted that replays the block
with a stand-in, which has no BeginBlock, and stores those results."""


class Agreement:
    """What nodes have said of one block so far."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        """How many nodes must say the same."""
        self.rounds = 0
        """How often all have said something, and not the same."""
        self.text = ""
        """Who said what, and in what two differ."""
        self.outvoted: list[str] = []
        """The names of those who said something else than what was agreed on."""
        self._said: list[tuple[Node, FollowedBlock]] = []

    def __len__(self) -> int:
        return len(self._said)

    def has(self, node: Node) -> bool:
        """Whether this node has said it."""
        return any(each is node for each, _ in self._said)

    def add(self, node: Node, found: FollowedBlock) -> FollowedBlock | None:
        """Take in what another node says; what is agreed on, once enough have said the same.

        It takes time if there is much to compare, and belongs in a thread.
        """
        self._said.append((node, found))
        others = [each for each, other in self._said if not alike(found, other)]
        if len(self._said) - len(others) >= self.wanted:
            self.outvoted = [each.name for each in others]
            return found
        names = ", ".join(node.name for node, _ in self._said)
        self.text = f"{names}: {self._difference()}"
        return None

    def begin_again(self) -> None:
        """Forget what was said: a node may have been asked while it was behind its own word."""
        self.rounds += 1
        self._said.clear()

    def _difference(self) -> str:
        (_, one), *others = self._said
        other = next((each for _, each in others if not alike(one, each)), None)
        if other is None:
            return "the same so far"
        if one.hash != other.hash:
            return "their blocks are different ones"
        places = [place for place, mine, its in _parts(one, other) if mine != its]
        lost = LOST if places == [OF_BLOCK] and _lacks_its_beginning(one, other) else ""
        return f"they differ in {places[0]}{lost}"


def alike(one: FollowedBlock, other: FollowedBlock) -> bool:
    """Whether two nodes say the same of a block, apart from what is each node's own.

    That is logs and texts for people, and which attributes are indexed.
    """
    if one is other:
        return True
    return one.hash == other.hash and all(
        mine == theirs for _, mine, theirs in _parts(one, other)
    )


def _parts(
    one: FollowedBlock, other: FollowedBlock
) -> Iterator[tuple[str, object, object]]:
    """What is to be compared, part by part."""
    ours, theirs = one.results, other.results
    yield "the number of results", len(ours.txs), len(theirs.txs)
    # Of those that one lacks there is nothing to compare.
    for index, (mine, its) in enumerate(zip(ours.txs, theirs.txs, strict=False)):
        place = f"transaction {index}"
        for name in ("code", "data", "gas_wanted", "gas_used"):
            yield f"the {name} of {place}", getattr(mine, name), getattr(its, name)
        yield f"the events of {place}", _bare(mine.events), _bare(its.events)
    yield (
        OF_BLOCK,
        _bare(event for _, event in ours.block_events()),
        _bare(event for _, event in theirs.block_events()),
    )


def _lacks_its_beginning(one: FollowedBlock, other: FollowedBlock) -> bool:
    """Whether one alone has events of its beginning, and both have the same of its end."""
    ours, theirs = one.results, other.results
    return (
        bool(ours.begin_events) != bool(theirs.begin_events)
        and not (ours.finalize_events or theirs.finalize_events)
        and _bare(ours.end_events) == _bare(theirs.end_events)
    )


def _bare(events: Iterable[Event]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (kind, [(each.key, each.value) for each in attributes])
        for kind, attributes in events
    ]
