"""How a log that an earlier release wrote becomes one of this release.

A step converts the tables; views are recreated after the last one. All steps are one transaction
with what `log.file.prepare` does around them, so a crash leaves the file as it was. A step that
reads every transaction takes about a minute per million (50,000 of 23 words each: 3.3 s), during
which nothing is served.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Final

import apsw

from trio_stream.log.file import SCHEMA, Migrations, run, value
from trio_stream.transactions.model import Transaction, parse
from trio_stream.transactions.owners import Stands, named_keys
from trio_stream.transactions.searchable import text_of

logger = logging.getLogger(__name__)

SAY_SECONDS: Final = 10.0
"""Between two lines that say how far a step has come."""


def _to_2(connection: apsw.Connection) -> None:
    """New stems of words; and keys that an output's condition holds and another output lists."""
    logger.warning(
        "the log was written by an earlier release: all transactions are indexed again"
    )
    run(connection, "DROP TABLE texts")
    schema = SCHEMA.read_text(encoding="utf-8")
    run(connection, schema[schema.index("CREATE VIRTUAL TABLE texts") :])
    insert = "INSERT INTO keys VALUES (?, ?, ?, ?)"
    insert_text = "INSERT INTO texts (rowid, asset, metadata) VALUES (?, ?, ?)"
    for at, transaction in _transactions(connection):
        document = transaction.value
        text = text_of(document)
        if any(text):
            connection.execute(insert_text, (at, *text))
        for named in named_keys(transaction, document):
            if named.stands is Stands.LOCKING:
                row = named.public_key, at, named.output_index, named.stands
                connection.execute(insert, row)


def _transactions(connection: apsw.Connection) -> Iterator[tuple[int, Transaction]]:
    total = value(connection, "SELECT count(*) FROM bodies")
    due = time.monotonic() + SAY_SECONDS
    sql = "SELECT position, raw FROM bodies"
    for done, (at, raw) in enumerate(connection.execute(sql)):
        if time.monotonic() >= due:
            due += SAY_SECONDS
            logger.info("%d of %d transactions are indexed", done, total)
        yield at, parse(raw)


def _to_3(connection: apsw.Connection) -> None:
    """Room for elections, of which earlier releases accepted none."""
    _create(connection, "tallies")
    sql = "SELECT count(*) FROM refused WHERE error = 'OperationNotSupported'"
    if refused := value(connection, sql):
        logger.warning(
            "%s elections or votes were refused by the release that wrote this log, and a node"
            " that begins today accepts them: have the engine replay the chain into a new data"
            " directory",
            refused,
        )


def _to_4(connection: apsw.Connection) -> None:
    """Room for the chains that go on with a log."""
    _create(connection, "moves")


def _create(connection: apsw.Connection, table: str) -> None:
    schema = SCHEMA.read_text(encoding="utf-8")
    start = schema.index(f"CREATE TABLE {table} ")
    run(connection, schema[start : schema.index(";", start) + 1])


MIGRATIONS: Final[Migrations] = {1: _to_2, 2: _to_3, 3: _to_4}
