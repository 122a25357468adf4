"""The genesis file of a chain that goes on with the log of one that has ended.

It follows from the log alone, so all operators write the same file. Engines from 0.34 on know an
initial height, and read this form; they ignore what they don't know. Powers and heights are text
there. An address is worked out by the engine itself.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Continued
from trio_stream.ledger.genesis import app_state_of
from trio_stream.transactions.elections import Validator

MOST_CHARACTERS: Final = 50
"""In a chain's name, for every engine."""

_KEY_NAMES: Final[Mapping[str, str]] = {
    "ed25519": "tendermint/PubKeyEd25519",
    "secp256k1": "tendermint/PubKeySecp256k1",
}

_PARAMETERS: Final = {
    # Those of Tendermint up to 0.34, so that what fitted into a block still does.
    "block": {
        "max_bytes": "22020096",
        "max_gas": "-1",
        # 0.34 insists on it, though it does nothing there.
        "time_iota_ms": "1000",
    },
    "evidence": {
        "max_age_num_blocks": "100000",
        "max_age_duration": "172800000000000",
        "max_bytes": "1048576",
    },
    # 1.0's, which has none if they are left out.
    "synchrony": {"precision": "505000000", "message_delay": "15000000000"},
}


class NoGenesis(Exception):
    """There can be no such file; the text says why."""


def genesis_file(
    chain_id: str, end: Continued, time: Time, validators: Sequence[Validator]
) -> bytes:
    """The file for a chain with this name, that goes on after `end`, whose block has that time.

    Raises `NoGenesis`.
    """
    if not 0 < len(chain_id.encode("utf-8", "replace")) <= MOST_CHARACTERS:
        raise NoGenesis(
            f"engines take a chain's name of 1 to {MOST_CHARACTERS} characters, and not"
            f" {chain_id!r:.80}: choose another one with --chain-id, the same on all nodes"
        )
    if not validators:
        raise NoGenesis("the log names no validators")
    unknown = sorted({each.key_type for each in validators} - set(_KEY_NAMES))
    if unknown:
        raise NoGenesis(
            f"a validator's key is of type {unknown[0]!r:.40}, which is known to none of the"
            " engines, or not to all of them"
        )
    types = sorted({each.key_type for each in validators})
    document = {
        "genesis_time": _after(time),
        "chain_id": chain_id,
        "initial_height": str(end.height + 1),
        "consensus_params": {**_PARAMETERS, "validator": {"pub_key_types": types}},
        "validators": [
            {
                "pub_key": {
                    "type": _KEY_NAMES[each.key_type],
                    "value": base64.b64encode(each.key).decode("ascii"),
                },
                "power": str(each.power),
                "name": "",
            }
            for each in validators
        ],
        # InitChain's answer has it.
        "app_hash": "",
        "app_state": app_state_of(end),
    }
    return json.dumps(document, indent=2).encode("ascii") + b"\n"


def _after(time: Time) -> str:
    """The millisecond after this time: the first block has the time of the genesis file."""
    milliseconds = time.nanos // 1_000_000 + 1
    seconds = time.seconds + milliseconds // 1000
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NoGenesis(f"the newest block's time can't be written: {time}") from error
    return f"{moment.replace(tzinfo=None).isoformat()}.{milliseconds % 1000:03}Z"
