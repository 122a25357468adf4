"""What subscribers may filter transactions by.

A filter goes by the name of its parameter. To add one is to add an entry here, which says what a
value of it may be and what of a transaction it is compared with, and a query in `log.matches`,
which finds the same transactions in the log. Everything else that deals with filters goes by
their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from trio_stream.stream.events import CommitEvent
from trio_stream.transactions.ids import ID


class Contents(NamedTuple):
    """What the bytes of a transaction say: all keys that it names, and the bytes."""

    public_keys: frozenset[str]
    raw: bytes


NO_CONTENTS: Final = Contents(frozenset(), b"")

# What a public key may be in a transaction; see `transactions.owners` for the length.
_KEY: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{1,64}")
_OPERATIONS: Final = (
    *("CHAIN_MIGRATION_ELECTION", "CREATE", "TRANSFER", "VALIDATOR_ELECTION", "VOTE"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One way to leave transactions out."""

    pattern: re.Pattern[str]
    """What a value looks like."""
    kind: str
    """The same in words, for whoever wrote something else."""
    values: Callable[[CommitEvent, Contents], Collection[str]]
    """The values of a transaction, one of which has to be among those asked for."""
    looks_inside: bool = False
    """Whether `values` needs the contents; else there need not be any."""


FILTERS: Final = {
    "asset_id": Filter(
        pattern=ID,
        kind="64 digits of 0-9a-f",
        values=lambda event, _: (event.asset_id,),
    ),
    "public_key": Filter(
        pattern=_KEY,
        kind="a public key in base58",
        values=lambda _, contents: contents.public_keys,
        looks_inside=True,
    ),
    "operation": Filter(
        pattern=re.compile("|".join(_OPERATIONS)),
        kind=f"one of {', '.join(_OPERATIONS)}",
        values=lambda event, _: (event.operation,),
    ),
}
"""All filters by name, those first that usually leave the fewest transactions."""
