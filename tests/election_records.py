"""Elections as the reference keeps them: records in lists, all of which each question looks at.

Written from the specification, for comparison; nothing of the package's tally is used.
"""

from __future__ import annotations

from typing import Any

from scripts.signing import base58_encode
from trio_stream.transactions.elections import Validator

Document = dict[str, Any]
Update = tuple[bytes, int]


class Records:
    """The reference's collections `validators`, `elections`, `abci_chains` and `transactions`."""

    def __init__(self, validators: list[Validator]) -> None:
        self.validators = [(1, {each.key: each.power for each in validators})]
        self._elections: list[tuple[str, int, bool]] = []
        self._is_synced = True
        self._transactions: dict[str, Document] = {}
        self._height = 0

    def end_block(self, accepted: list[Document]) -> list[Update]:
        """Process a block that accepted these; what the engine is told."""
        height = self._height + 1
        for each in accepted:
            if each["operation"].endswith("_ELECTION"):
                self._elections.append((each["id"], height, False))
        groups: dict[str, list[Document]] = {}
        for each in accepted:
            if each["operation"] == "VOTE":
                groups.setdefault(each["asset"]["id"], []).append(each)
        updates: list[Update] = []
        for about, votes in groups.items():
            election = self._transactions.get(about)
            if election is None or not election["operation"].endswith("_ELECTION"):
                continue
            if self._has_concluded(election, votes, height):
                updates = self._approve(election, height)
                self._elections.append((about, height, True))
        self._transactions.update((each["id"], each) for each in accepted)
        self._height = height
        return updates

    def concluded(self) -> set[str]:
        return {each for each, _, is_concluded in self._elections if is_concluded}

    def _has_concluded(
        self, election: Document, votes: list[Document], height: int
    ) -> bool:
        if election["operation"] == "VALIDATOR_ELECTION":
            if self.validators[-1][0] == self._height + 2:
                return False
            if self._is_fatal(election):
                return False
        elif not self._is_synced:
            return False
        if self._has_set_changed(election["id"]):
            return False
        total = sum(int(each["amount"]) for each in election["outputs"])
        committed = self._count(election["id"], list(self._transactions.values()))
        current = self._count(election["id"], votes)
        return committed < (2 / 3) * total and committed + current >= (2 / 3) * total

    def _has_set_changed(self, election_id: str) -> bool:
        newest = max(h for each, h, _ in self._elections if each == election_id)
        return max(h for h, _ in self.validators if h <= max(self._height, 1)) > newest

    def _count(self, election_id: str, transactions: list[Document]) -> int:
        address = base58_encode(bytes.fromhex(election_id))
        return sum(
            int(output["amount"])
            for each in transactions
            if each["operation"] == "VOTE" and each["asset"]["id"] == election_id
            for output in each["outputs"]
            if output["public_keys"] == [address]
        )

    def _is_fatal(self, election: Document) -> bool:
        """Ours: the reference tells the engine, and both end."""
        after = self._changed(election)
        key, power = _change_of(election)
        is_unknown = key not in self.validators[-1][1] and power == 0
        return not after or is_unknown or power < 0 or type(power) is not int

    def _changed(self, election: Document) -> dict[bytes, int]:
        key, power = _change_of(election)
        after = {**self.validators[-1][1], key: power}
        return {key: power for key, power in after.items() if power > 0}

    def _approve(self, election: Document, height: int) -> list[Update]:
        if election["operation"] == "CHAIN_MIGRATION_ELECTION":
            self._is_synced = False
            return []
        self.validators.append((height + 1, self._changed(election)))
        return [_change_of(election)]


def _change_of(election: Document) -> Update:
    data = election["asset"]["data"]
    return bytes.fromhex(data["public_key"]["value"]), data["power"]
