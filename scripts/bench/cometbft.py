"""How fast a follower's pure part is: bodies to blocks, and queries against a block.

    python -m scripts.bench.cometbft [--queries 1000] [--transactions 1000]

Bodies of `block_results` are those of one transaction that sends to many, beside Python's JSON
reader alone. The block is one of transfers with twelve events each, as the Cosmos SDK has them;
queries are of one kind each, then mixed. `longest step` is how long the event loop waits. All times
are the processor's: there is nothing to wait for, and other programs don't count.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial

from scripts.bench.report import machine, number, ratio, table
from trio_stream.cometbft import envelope
from trio_stream.cometbft.events import Attribute, Event
from trio_stream.cometbft.items import Item
from trio_stream.cometbft.queries import Expression, OneEvent
from trio_stream.cometbft.query_index import QueryIndex
from trio_stream.cometbft.query_parser import parse
from trio_stream.cometbft.results import BlockResults, read_results

ROUNDS = 5
"""The fastest of them counts."""


class Chain:
    """Addresses and what happens between them."""

    def __init__(self) -> None:
        self._random = random.Random(19)
        self.addresses = [
            f"cosmos1{self._random.getrandbits(190):038x}" for _ in range(20_000)
        ]

    def transfer(self, number: int) -> Item:
        """A transfer that pays its fee: twelve events, twenty-seven attributes."""
        sender, recipient = self._random.choice(self.addresses), self._random.choice(
            self.addresses
        )
        amount = f"{self._random.randrange(1, 10**7)}stake"
        fee = list(moved(sender, self.addresses[0], "10stake"))
        paid = list(moved(sender, recipient, amount, msg_index="0"))
        events = [
            *fee,
            event("tx", fee="10stake", fee_payer=sender),
            event("tx", acc_seq=f"{sender}/{number}"),
            event("tx", signature=f"{self._random.getrandbits(512):x}"),
            event("message", action="/cosmos.bank.v1beta1.MsgSend", module="bank"),
            *paid,
        ]
        implied = (
            ("tm.event", "Tx"),
            ("tx.hash", f"{self._random.getrandbits(256):064X}"),
            ("tx.height", "123"),
        )
        return Item(tuple(events), implied)

    def query(self, kind: str, number: int) -> Expression:
        """The query of that kind and number."""
        address, other = self.addresses[number + 1], self.addresses[number + 2]
        recipient = f"transfer.recipient = '{address}'"
        match kind:
            case "recipient":
                return parse(f"tm.event = 'Tx' AND {recipient}")
            case "one event":
                return OneEvent(parse(f"{recipient} AND transfer.amount > {number}"))
            case "amount above":
                return parse(
                    f"tm.event = 'Tx' AND transfer.amount > {9_000_000 + number * 999}"
                )
            case "contains":
                return parse(f"transfer.recipient CONTAINS '{address[:12]}'")
            case "sender or":
                return parse(
                    f"message.sender IN ('{address}', '{other}') OR {recipient}"
                )
            case "not":
                return parse(f"tm.event = 'Tx' AND NOT {recipient}")
            case _:
                return self.query(KINDS[number % (len(KINDS) - 2)], number)


KINDS = (
    "recipient",
    "one event",
    "amount above",
    "contains",
    "sender or",
    "not",
    "mixed",
)
"""`mixed` is of all but `not`."""


def event(kind: str, **attributes: str) -> Event:
    return Event(
        kind, tuple(Attribute(key, value, True) for key, value in attributes.items())
    )


def moved(sender: str, recipient: str, amount: str, **more: str) -> Iterator[Event]:
    yield event("coin_spent", spender=sender, amount=amount, **more)
    yield event("coin_received", receiver=recipient, amount=amount, **more)
    yield event("transfer", recipient=recipient, sender=sender, amount=amount, **more)
    yield event("message", sender=sender, **more)


def matching(queries: int, transactions: int) -> list[list[object]]:
    chain = Chain()
    items = [chain.transfer(number) for number in range(transactions)]
    rows: list[list[object]] = []
    for kind in KINDS:
        asked = [chain.query(kind, number) for number in range(queries)]
        best, longest, found = float("inf"), 0.0, 0
        for _ in range(ROUNDS):
            index = QueryIndex()
            for each in asked:
                index.add(each)
            next(index.steps([]))
            steps, found = [], 0
            start = time.process_time()
            for step in index.steps(items):
                steps.append(time.process_time() - start)
                found += sum(map(len, step))
                start = time.process_time()
            if sum(steps) < best:
                best, longest = sum(steps), max(steps)
        rows.append([kind, f"{found:,}", number(best * 1000), number(longest * 1000)])
    return rows


def body(recipients: int, spell: Callable[[str], str]) -> bytes:
    """`block_results` of a block with one transaction that sends to so many."""
    events = []
    for recipient in range(recipients):
        for kind, name in (("coin_received", "receiver"), ("transfer", "recipient")):
            attributes = {
                name: f"cosmos1{recipient:038}",
                "amount": "1stake",
                "msg_index": "0",
            }
            spelled = [
                {"key": spell(key), "value": spell(value), "index": True}
                for key, value in attributes.items()
            ]
            events.append({"type": kind, "attributes": spelled})
    result = {
        "code": 0,
        "data": None,
        "gas_wanted": "1",
        "gas_used": "1",
        "events": events,
    }
    answer = {"height": "7", "txs_results": [result], "finalize_block_events": None}
    return json.dumps({"jsonrpc": "2.0", "id": -1, "result": answer}).encode()


def reading(recipients: int) -> Iterator[list[object]]:
    for name, spell in (
        ("plain", str),
        ("base64", lambda text: b64encode(text.encode()).decode()),
    ):
        written = body(recipients, spell)
        alone = fastest(partial(json.loads, written))
        ours = fastest(partial(read_body, written))
        size = len(written) / 1e6
        yield [
            f"{recipients * 2:,} events, {name}",
            number(size),
            number(size / ours),
            number(size / alone),
            ratio(alone, ours),
        ]


def read_body(written: bytes) -> BlockResults:
    return read_results(envelope.answer(written))


def fastest(run: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--transactions", type=int, default=1000)
    options = parser.parse_args()
    print(machine())
    title = (
        f"{options.queries:,} queries, a block of {options.transactions:,} transactions"
    )
    head = ["queries", "matches", "all, ms", "longest step, ms"]
    print(table(title, head, matching(options.queries, options.transactions)))
    head = ["body", "MB", "MB/s", "JSON alone, MB/s", "ratio"]
    rows = [row for recipients in (150, 1500, 15_000) for row in reading(recipients)]
    print(table("bodies read", head, rows))


if __name__ == "__main__":
    main()
