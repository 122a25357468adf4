"""A chain as a BigchainDB node has it in its database, to be imported.

The database says which transactions each block accepted and which app hash followed; the bytes that
the engine had, times and refused transactions are nowhere in it. So the times are those of 1970,
transactions are written in canonical form, and an index counts accepted ones only.

Everything else that it says follows from the transactions, and is compared with what the import
makes of them: sets of validators, elections and their conclusions, and the end of the chain.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import RULES, Chain
from trio_stream.ledger.recorded import NotAsRecorded, RecordedBlock
from trio_stream.log.dump_files import read_dump
from trio_stream.log.dump_store import DumpStore
from trio_stream.log.rows import HEIGHT, rows
from trio_stream.log.writer import CommitLog
from trio_stream.mongodb.values import Document
from trio_stream.transactions.elections import Validator

NO_TIME: Final = Time(0, 0)
FIRST: Final = 1
"""The height of the first block that an engine made; InitChain wrote one of height 0."""

_KEY_TYPE: Final = "ed25519"
_MIGRATED: Final = "-migrated-at-height-"

Sets = dict[int, list[Validator]]
Decisions = set[tuple[str, int, bool]]
"""Id of an election, height, and whether it concluded there or was opened."""


class Dump:
    """The database of a node, as a record of its chain."""

    def __init__(self, source: Path, room: Path) -> None:
        self.digest = ""
        self._store = DumpStore(room)
        try:
            for collection, document in read_dump(source):
                self._store.put(collection, document)
            self._begin()
        except BaseException:
            self._store.close()
            raise

    def _begin(self) -> None:
        tip = self._store.tip()
        if not tip:
            raise NotAsRecorded("its chain has no block")
        self.height = tip
        self.transactions = self._store.count()
        self._sets = _sets(self._records("validators"))
        self._chains = _chains(self._records("abci_chains"))
        self._decisions = _decisions(self._records("elections"))
        self._begun, self._begun_ids = _begun(self._records("pre_commit"))
        if 0 not in self._chains or FIRST not in self._sets:
            raise NotAsRecorded(
                "it does not say which chain it is of, or whose validators"
            )
        chain_id, is_synced = self._chains[0]
        later = [
            height for height, (_, synced) in self._chains.items() if synced and height
        ]
        if later or not is_synced:
            raise NotAsRecorded(
                f"chain {chain_id!r:.80} was continued by BigchainDB itself, which loses blocks"
            )
        self.chain = Chain(
            chain_id, RULES, "", FIRST, NO_TIME, tuple(self._sets[FIRST])
        )

    def close(self) -> None:
        """Remove what was put aside."""
        self._store.close()

    def blocks(self) -> Iterator[RecordedBlock]:
        """The blocks that an engine made."""
        due = 0
        for height, app_hash, ids in self._store.blocks():
            if height != due:
                raise NotAsRecorded(f"block {due} is missing")
            due += 1
            if height < FIRST:
                if ids or app_hash:
                    raise NotAsRecorded(f"block {height} is not empty")
                continue
            transactions = [self._store.transaction(each) for each in ids]
            yield RecordedBlock(height, NO_TIME, app_hash, transactions)

    def compare(self, log: CommitLog) -> None:
        """Raise `NotAsRecorded` if the log differs from what else is recorded, up to its tip."""
        tip = log.tip()
        assert tip is not None
        height = tip.height
        self._compare_sets(log, height)
        self._compare_decisions(log, height)
        self._compare_end(log, height)
        if height == self.height:
            self._find_strays()

    def _compare_sets(self, log: CommitLog, tip: int) -> None:
        ours: Sets = {}
        sql = (
            "SELECT height, key_type, key, power FROM validators ORDER BY height, place"
        )
        for height, *member in rows(log.connection, sql):
            ours.setdefault(height, []).append(Validator(*member))
        # A block that was begun and not committed may have left one.
        most = tip + 1
        theirs = {height: each for height, each in self._sets.items() if height <= most}
        for height in sorted({*ours, *theirs}):
            if ours.get(height) != theirs.get(height):
                raise NotAsRecorded(
                    f"the validators from height {height} on are not those that its blocks make"
                )
        self._check_rest("validators", [each - 1 for each in self._sets], tip)

    def _compare_decisions(self, log: CommitLog, tip: int) -> None:
        opened = rows(
            log.connection,
            f"SELECT id, {HEIGHT} FROM transactions"
            " WHERE operation IN ('VALIDATOR_ELECTION', 'CHAIN_MIGRATION_ELECTION')",
        )
        concluded = rows(
            log.connection,
            "SELECT id, height FROM tallies JOIN transactions ON position = election"
            " WHERE concluded",
        )
        ours = {(id, height, False) for id, height in opened}
        ours |= {(id, height, True) for id, height in concluded}
        theirs = {each for each in self._decisions if each[1] <= tip}
        for election, height, is_concluded in sorted(
            ours ^ theirs, key=lambda x: x[1:]
        ):
            what = "concludes" if is_concluded else "is opened"
            where = "here" if (election, height, is_concluded) in ours else "only there"
            raise NotAsRecorded(
                f"election {election:.64} {what} in block {height} {where}"
            )
        self._check_rest("elections", [height for _, height, _ in self._decisions], tip)

    def _compare_end(self, log: CommitLog, tip: int) -> None:
        migrated_at = log.migrated_at()
        ours = {migrated_at} if migrated_at else set()
        theirs = {height for height in self._chains if 0 < height <= tip}
        if ours != theirs:
            raise NotAsRecorded(
                f"its chain is migrated at height {min(theirs, default=None)}, but its blocks"
                f" migrate it at {min(ours, default=None)}"
            )
        if ours:
            first = self.chain.chain_id.partition(_MIGRATED)[0]
            name = f"{first}{_MIGRATED}{migrated_at - 1}"
            if self._chains[migrated_at][0] != name:
                raise NotAsRecorded(
                    f"the next chain should be {name!r:.80}, not"
                    f" {self._chains[migrated_at][0]!r:.80}"
                )
        self._check_rest("abci_chains", list(self._chains), tip)

    def _check_rest(self, collection: str, heights: list[int], tip: int) -> None:
        """Records above the tip are of the block that was begun and not committed."""
        if tip != self.height:
            return
        wrong = [each for each in heights if each > tip and each != self._begun]
        if wrong:
            raise NotAsRecorded(
                f"{collection} has a record of block {wrong[0]}, which is missing"
            )

    def _find_strays(self) -> None:
        left = self._begun_ids if self._begun == self.height + 1 else []
        if stray := self._store.unplaced(left):
            collection, transaction_id = stray
            raise NotAsRecorded(
                f"{collection} has {transaction_id:.64}, which no block holds; was the node"
                " running while its database was dumped?"
            )

    def _records(self, collection: str) -> list[Document]:
        return self._store.records.get(collection, [])


def _sets(records: list[Document]) -> Sets:
    found: Sets = {}
    for record in records:
        match record:
            case {"height": int(height), "validators": [*members]}:
                found[height] = [_validator(member) for member in members]
            case _:
                raise _wrong("validators", record)
    return found


def _validator(member: object) -> Validator:
    match member:
        case {
            "public_key": {"type": "ed25519-base64", "value": str(text)},
            "voting_power": int(power),
        }:
            try:
                return Validator(
                    _KEY_TYPE, base64.b64decode(text, validate=True), power
                )
            except ValueError:
                pass
    raise _wrong("validators", member)


def _chains(records: list[Document]) -> dict[int, tuple[str, bool]]:
    found: dict[int, tuple[str, bool]] = {}
    for record in records:
        match record:
            case {
                "height": int(height),
                "chain_id": str(name),
                "is_synced": bool(synced),
            }:
                found[height] = name, synced
            case _:
                raise _wrong("abci_chains", record)
    return found


def _decisions(records: list[Document]) -> Decisions:
    found: Decisions = set()
    for record in records:
        match record:
            case {
                "height": int(height),
                "election_id": str(election),
                "is_concluded": bool(concluded),
            }:
                found.add((election, height, concluded))
            case _:
                raise _wrong("elections", record)
    return found


def _begun(records: list[Document]) -> tuple[int, list[str]]:
    """Height and ids of the block that was begun last; it may be one that was committed."""
    height, ids = 0, list[str]()
    for record in records:
        match record:
            case {"height": int(height), "transactions": [*found]}:
                ids = [each for each in found if isinstance(each, str)]
            case _:
                raise _wrong("pre_commit", record)
    return height, ids


def _wrong(collection: str, record: object) -> NotAsRecorded:
    return NotAsRecorded(
        f"a document of {collection} is not as it should be: {record!r:.100}"
    )
