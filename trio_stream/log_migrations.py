"""How a log that an earlier release wrote becomes one of this release.

A step works on the tables; views are made anew after the last one. All steps are one transaction
with what `log_file.prepare` does around them, so a crash leaves the file as it was. A step that
reads every transaction takes about a minute for each million, during which nothing is served.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

import apsw

from trio_stream.ledger.owners import Stands, named_keys
from trio_stream.log_file import Migrations
from trio_stream.transactions.model import Transaction, parse

logger = logging.getLogger(__name__)


def _to_2(connection: apsw.Connection) -> None:
    """Keys that an output's condition holds, and that another output lists, are found too."""
    logger.warning("the log is of an earlier release: each transaction is indexed anew")
    insert = "INSERT INTO keys VALUES (?, ?, ?, ?)"
    for at, transaction in _transactions(connection):
        for named in named_keys(transaction, transaction.value):
            if named.stands is Stands.LOCKING:
                row = named.public_key, at, named.output_index, named.stands
                connection.execute(insert, row)


def _transactions(connection: apsw.Connection) -> Iterator[tuple[int, Transaction]]:
    for at, raw in connection.execute("SELECT position, raw FROM bodies"):
        yield at, parse(raw)


MIGRATIONS: Final[Migrations] = {1: _to_2}
