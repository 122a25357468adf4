"""What a BigchainDB node has in its database, written from the specification."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.mongodb.tools import OID
from tests.reference_chain import CHAIN, TIP
from trio_stream.log.rows import rows, stored_chain
from trio_stream.log.writer import CommitLog

Document = dict[str, Any]
Database = dict[str, list[Document]]

WITH_ASSETS = ("CREATE", "VALIDATOR_ELECTION", "CHAIN_MIGRATION_ELECTION")


class Block(NamedTuple):
    """What a block left."""

    height: int
    app_hash: str
    accepted: Sequence[Document]


def database(
    chain_id: str,
    blocks: Sequence[Block],
    validators: Sequence[Document],
    elections: Sequence[Document] = (),
    migrated_at: int = 0,
) -> Database:
    """The collections of a node that has these blocks; the newest one was committed."""
    found: Database = {
        "abci_chains": [{"height": 0, "chain_id": chain_id, "is_synced": True}],
        "assets": [],
        "blocks": [{"app_hash": "", "height": 0, "transactions": []}],
        "elections": [*elections],
        "metadata": [],
        "pre_commit": [],
        "transactions": [],
        "utxos": [],
        "validators": [*validators],
    }
    for block in blocks:
        ids = [each["id"] for each in block.accepted]
        for each in block.accepted:
            _store(found, json.loads(json.dumps(each)))
        found["blocks"].append(
            {"app_hash": block.app_hash, "height": block.height, "transactions": ids}
        )
        found["pre_commit"] = [{"height": block.height, "transactions": ids}]
    if migrated_at:
        name = f"{chain_id}-migrated-at-height-{migrated_at - 1}"
        record = {"height": migrated_at, "chain_id": name, "is_synced": False}
        found["abci_chains"].append(record)
    return {
        name: [{"_id": OID, **each} for each in documents]
        for name, documents in found.items()
    }


def _store(found: Database, transaction: Document) -> None:
    if transaction["operation"] in WITH_ASSETS:
        asset = transaction.pop("asset")
        found["assets"].append({**asset, "id": transaction["id"]})
    metadata = transaction.pop("metadata")
    found["metadata"].append({"id": transaction["id"], "metadata": metadata})
    found["transactions"].append(transaction)


def record_of(height: int, members: Sequence[tuple[bytes, int]]) -> Document:
    """A record of the collection `validators`."""
    return {
        "height": height,
        "validators": [
            {
                "public_key": {
                    "type": "ed25519-base64",
                    "value": base64.b64encode(key).decode(),
                },
                "voting_power": power,
            }
            for key, power in members
        ],
    }


def reference_database(blocks: int = TIP) -> Database:
    """That of the reference's own chain, with the records that it kept."""
    made: list[Block] = []
    validators: list[Document] = []
    for height, block in enumerate(CHAIN["blocks"][:blocks], start=1):
        codes = block["deliver_tx_codes"]
        accepted = [
            tx for tx, code in zip(block["txs"], codes, strict=True) if code == 0
        ]
        made.append(Block(height, block["commit_data_utf8"], accepted))
        if block["validators_latest_record"] not in validators:
            validators.append(block["validators_latest_record"])
    elections = [
        each for each in CHAIN["elections_records"] if each["height"] <= blocks
    ]
    return database(CHAIN["chain_id"], made, validators, elections)


def database_of(log: CommitLog) -> Database:
    """What a node of BigchainDB would have if it had accepted what this log has."""
    connection = log.connection
    chain = stored_chain(log.connection)
    assert chain is not None
    blocks = []
    for height, app_hash in rows(connection, "SELECT height, app_hash FROM blocks"):
        span = height << 26, (height + 1) << 26
        sql = "SELECT raw FROM bodies WHERE position >= ? AND position < ?"
        accepted = [
            json.loads(str(raw, "utf-8")) for (raw,) in rows(connection, sql, *span)
        ]
        blocks.append(Block(height, app_hash, accepted))
    sets: dict[int, list[tuple[bytes, int]]] = {}
    for height, key, power in rows(
        connection, "SELECT height, key, power FROM validators"
    ):
        sets.setdefault(height, []).append((key, power))
    sql = (
        "SELECT id, position >> 26, 0 FROM transactions WHERE operation GLOB '*_ELECTION'"
        " UNION ALL SELECT id, height, 1 FROM tallies JOIN transactions"
        " ON position = election WHERE concluded"
    )
    elections = [
        {"election_id": each, "height": height, "is_concluded": bool(concluded)}
        for each, height, concluded in rows(connection, sql)
    ]
    validators = [record_of(height, members) for height, members in sets.items()]
    return database(chain.chain_id, blocks, validators, elections, log.migrated_at())
