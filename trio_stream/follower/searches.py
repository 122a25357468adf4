"""The search for one height: what each node said, how long to wait, and when to give up."""

from __future__ import annotations

from collections.abc import Sequence

from trio_stream.cometbft.followed import Gap, Reason
from trio_stream.follower.agreement import Agreement
from trio_stream.follower.introduction import FollowSettings
from trio_stream.follower.nodes import Node
from trio_stream.follower.troubles import (
    Contradicted,
    Disagreed,
    Forked,
    Unobtainable,
    WrongChain,
)
from trio_stream.follower.verdicts import BELIEVED, Fate, Verdict

FINAL = frozenset({Fate.NEVER, Fate.FORK, Fate.CONTRADICTION})
"""What ends the search at a node once it is believed."""

EXECUTED_FIRST, EXECUTED_LONGEST = 0.02, 2.0
"""Seconds between two questions for the results of a block that a node has: mostly they are there
within 70 ms, and once a day on some chains after 20 minutes."""
AGAIN_FIRST, AGAIN_LONGEST = 0.25, 30.0
OTHERS_SOON = 10.0
"""Seconds after which it is worth a word that too few nodes have a block to agree on."""
HINTS: dict[Reason, str] = {
    "pruned": "give a node that keeps older blocks, a later start, or --allow-gaps",
    "discarded": "give a node with discard_abci_responses = false, or --allow-gaps",
    "results_missing": "give a node that has executed that block itself, or --allow-gaps",
    "broken_record": "give another node, or --allow-gaps",
    "corrupt": "give a node that was not upgraded with CometBFT 0.38.0 to 0.38.9, or"
    " --allow-gaps; for Celestia, set data_hashes to false",
    "too_large": "raise answer_bytes, or --allow-gaps",
}


class Search:
    """Where the next height is."""

    def __init__(self, height: int, settings: FollowSettings) -> None:
        self.height = height
        self.needed = height + settings.confirm
        """The tip of a node that is worth asking."""
        self.agreement = Agreement(settings.agree)
        self._settings = settings
        self._last: dict[Node, Verdict] = {}
        self._in_a_row: dict[Node, int] = {}
        self._cuts: dict[Node, int] = {}
        self._rounds = 0
        self._since: float | None = None
        self._some_since: float | None = None
        self.trouble = ""
        """What was wrong last, apart from what is not there yet."""

    @property
    def is_smooth(self) -> bool:
        """Whether nothing went wrong yet, and as many as must agree have not said two things."""
        agreement = self.agreement
        is_split = agreement.wanted <= len(agreement)
        return not (self._last or agreement.rounds or is_split)

    def cuts(self, node: Node) -> int:
        """How many answers of the node broke off."""
        return self._cuts.get(node, 0)

    def wants_websocket(self, node: Node) -> bool:
        """Whether to ask over the node's WebSocket: every other time, once answers broke off.

        It may have none, and what broke them off may have been something else.
        """
        return self.cuts(node) >= 2 and self.cuts(node) % 2 == 0

    def order(self, nodes: Sequence[Node]) -> list[Node]:
        """Whom to ask: those that may have it, the least troubled ones first."""
        asked = [
            node
            for node in nodes
            if node.tip >= self.needed
            and not self._is_final(node)
            and not self.agreement.has(node)
        ]
        ready = [node for node in asked if not node.pace.resting]
        # Of several that rest, nobody waits for the one that said "in an hour".
        resting = sorted(asked, key=lambda node: node.pace.resting)[:1]
        return sorted(ready, key=self.cuts) or resting

    def note(self, node: Node, found: Verdict, now: float) -> None:
        """What came of asking `node`."""
        before = self._last.get(node)
        same = before is not None and (before.fate, before.reason) == (
            found.fate,
            found.reason,
        )
        self._in_a_row[node] = self._in_a_row.get(node, 0) + 1 if same else 1
        self._last[node] = found
        if found.fate is not Fate.NOT_YET:
            self.trouble = f"{node.name}: {found.detail}"
        if found.fate is Fate.CUT:
            self._cuts[node] = self.cuts(node) + 1
        if self._since is None and found.fate in FINAL:
            self._since = now

    def pause(self, tip: int) -> float:
        """The seconds until the next round of questions."""
        if tip < self.needed:
            self._rounds = 0
            return self._settings.poll
        fates = {each.fate for each in self._last.values()}
        first, longest = AGAIN_FIRST, AGAIN_LONGEST
        if fates == {Fate.NOT_YET}:
            first, longest = EXECUTED_FIRST, EXECUTED_LONGEST
        self._rounds += 1
        return float(min(first * 2 ** min(self._rounds - 1, 16), longest))

    def fail_if_too_few(self, nodes: Sequence[Node], chain_id: str) -> None:
        """Raise a Stopped if of these, which are left, not enough can agree."""
        if not nodes:
            raise WrongChain(
                f"no node is of the chain {chain_id!r}",
                "give the address of one that is",
            )
        if len(nodes) < self.agreement.wanted:
            raise Disagreed(
                f"{self.agreement.wanted} nodes must agree, and only {len(nodes)} of them can"
                f" be asked about the chain {chain_id!r}",
                "give another node of the chain, or a lower `agree`",
            )

    def conclusion(self, nodes: Sequence[Node], now: float) -> Gap | None:
        """The gap to record, None if there is hope; raises a Stopped."""
        if self._is_somewhere(nodes, now):
            return None
        final = {node: self._last[node] for node in nodes if self._is_final(node)}
        if not final or not (len(final) == len(nodes) or self._is_overdue(nodes, now)):
            return None
        # Subscribers are told of gaps: what else is in an address may be a secret.
        said = "; ".join(f"{node.name}: {each.detail}" for node, each in final.items())
        if any(each.fate is Fate.FORK for each in final.values()):
            raise Forked(
                f"fork at block {self.height - 1}: the nodes have another history than"
                f" the one that is stored: {said}",
                "was the chain reset or rolled back? Nothing stored is changed: follow the"
                " new history in a new home",
            )
        if any(each.fate is Fate.CONTRADICTION for each in final.values()):
            raise Contradicted(
                f"block {self.height} does not commit to the results that are stored for"
                f" block {self.height - 1}: {said}",
                "the node that gave them was wrong, or executed the block anew: follow the"
                " chain in a new home, with another node",
            )
        reasons = {each.reason for each in final.values()}
        reason = next(each.reason for each in final.values() if each.reason)
        if not self._settings.allow_gaps:
            text = f"no node has block {self.height} with its results: {said}"
            raise Unobtainable(text, HINTS[reason], reason)
        last = self.height
        # Who has nothing up to its own tip has lied about one of the two.
        lowest = [
            node.lowest for node in final if node.lowest and node.lowest <= node.tip
        ]
        if reasons == {"pruned"} and len(lowest) == len(final):
            last = max(last, min(lowest) - 1)
        return Gap(self.height, last, reason, said)

    def _is_somewhere(self, nodes: Sequence[Node], now: float) -> bool:
        """Whether a node has it, and others are still to agree; raises Disagreed."""
        agreement = self.agreement
        if not agreement:
            return False
        able = [node for node in nodes if not self._is_final(node)]
        if len(able) < agreement.wanted:
            final = [self._last[node].detail for node in nodes if self._is_final(node)]
            raise Disagreed(
                f"only {len(able)} of the nodes can say what block {self.height} did, and"
                f" {agreement.wanted} must agree: {'; '.join(final)}",
                "give another node that has it, or a lower `agree`",
            )
        if self._some_since is None:
            self._some_since = now
        if len(agreement) >= agreement.wanted:
            self.trouble = f"the nodes do not agree: {agreement.text}"
        elif now - self._some_since > OTHERS_SOON:
            self.trouble = (
                f"{agreement.wanted} nodes must agree on it, and so far {len(agreement)} said"
                " what it did"
            )
        if all(map(agreement.has, able)):
            if agreement.rounds + 1 >= BELIEVED:
                raise Disagreed(
                    f"the nodes do not agree on block {self.height}: {agreement.text}",
                    "one of them is wrong: give nodes that you trust, or more of them",
                )
            agreement.begin_again()
        return True

    def _is_final(self, node: Node) -> bool:
        found = self._last.get(node)
        return (
            found is not None
            and found.fate in FINAL
            and self._in_a_row[node] >= found.tries
        )

    def _is_overdue(self, nodes: Sequence[Node], now: float) -> bool:
        """Whether as many as must agree are sure, and the others had their time.

        Those that answer and have not got that far can't be sure, however long it takes.
        """
        patience = self._settings.others_have
        others = [node for node in nodes if not self._is_final(node)]
        return (
            len(nodes) - len(others) >= self.agreement.wanted
            and self._since is not None
            and now - self._since > patience
            and not any(
                self._may_come(node) and node.statistics().silent <= patience
                for node in others
            )
        )

    def _may_come(self, node: Node) -> bool:
        found = self._last.get(node)
        is_executing = found is not None and found.fate is Fate.NOT_YET
        return is_executing or node.tip < self.needed
