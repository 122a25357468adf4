"""What the subscribers of `bench.dropin` ask for, and what that owes them.

Transactions of the engine's key-value store are `key=value`; each has two events `app`, whose
attributes `app.key` are its key and its value, beside three that are always the same.
"""

from __future__ import annotations

from typing import NamedTuple

MIXES = ("all", "watchers")
QUERIES = 200
ACCOUNTS = 100


class Query(NamedTuple):
    """What a client asks for, and of how many transactions it holds."""

    text: str
    of_opening: int
    """Of one that is in no account."""
    of_hundred: int
    """Of a hundred, one in each account."""


def queries(mix: str) -> list[Query]:
    """The different queries of a mix."""
    some = (f"tx.height < {1_000_000 + n}" for n in range(QUERIES))
    more = (
        "",
        "app.creator='Cosmoshi' AND ",
        "app.index_key='index is working' AND ",
        "app.key EXISTS AND ",
    )
    every = [
        Query(f"tm.event='Tx' AND {more[n % len(more)]}{each}", 1, 100)
        for n, each in enumerate(some)
    ]
    if mix == "all":
        return every
    accounts = [
        Query(f"tm.event='Tx' AND app.key='account-{n:02}.'", 0, 1)
        for n in range(ACCOUNTS)
    ]
    tenths = [
        Query(f"tm.event='Tx' AND {more}app.key CONTAINS '{part}'", 0, 10)
        for more in ("", "app.creator='Cosmoshi' AND ")
        for digit in range(10)
        for part in (f"account-{digit}", f"{digit}.")
    ]
    selective = accounts + tenths
    return selective + every[: QUERIES - len(selective)]


def owed(mix: str, clients: int, openings: int, hundreds: int) -> list[int]:
    """What each client is owed of so many single transactions and so many hundreds."""
    asked = queries(mix)
    found = (asked[n % len(asked)] for n in range(clients))
    return [each.of_opening * openings + each.of_hundred * hundreds for each in found]


def hundred(number: int) -> list[str]:
    """Transactions that differ from all others, one in each account."""
    return [f"{number:06}-{n:02}=account-{n:02}." for n in range(ACCOUNTS)]


def opening(number: int) -> str:
    """A transaction that is in no account."""
    return f"{number:06}=opening"
