"""An application of the Python driver: sends, reads back, searches, and follows the stream.

What its values have to be is not known here, the tests judge them. The JavaScript program takes
the same steps. Run by the driver's own interpreter, Python 3.9 or later, with what the driver's
documentation shows and nothing of this project.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Callable

import websocket  # type: ignore[import-not-found]
from bigchaindb_driver import BigchainDB  # type: ignore[import-not-found]
from bigchaindb_driver.exceptions import (  # type: ignore[import-not-found]
    TransportError,
)

from tests.interop.python import crafting
from tests.interop.python.crafting import Document
from tests.interop.python.steps import Steps, take

PATIENCE = 120
"""Seconds that the next event may take."""


class Application:
    """Uses a node: sends, reads back, searches, and listens to the stream meanwhile."""

    def __init__(self, options: Document) -> None:
        self.bdb = BigchainDB(options["api"], timeout=PATIENCE)
        self.keys = crafting.keys_of(options["seeds"])
        self.alice, self.bob, self.carol = (
            self.keys[name] for name in ("alice", "bob", "carol")
        )
        self.made: dict[str, Document] = {}
        self.events: list[Document] = []
        self.stream = websocket.create_connection(options["stream"], timeout=PATIENCE)

    def steps(self) -> Steps:
        return {
            "connect": self.connect,
            "send_async": lambda: self.create("async"),
            "send_sync": lambda: self.create("sync"),
            "send_commit": lambda: self.create("commit"),
            "transfer": self.transfer,
            "divisible": self.divisible,
            "both_owners": self.both_owners,
            "two_of_three": self.two_of_three,
            "double_spend": self.double_spend,
            "sent_again": self.sent_again,
            "tampered": self.tampered,
            "missing": self.missing,
            "outputs": self.outputs,
            "transactions": self.transactions,
            "search_assets": lambda: self.search(self.bdb.assets, "quetzal"),
            "search_metadata": lambda: self.search(self.bdb.metadata, "basilisk"),
            "height": lambda: self.bdb.blocks.get(txid=self.made["transfer"]["id"]),
            "block": self.block,
            "stream": lambda: self.events,
        }

    def connect(self) -> object:
        return {"info": self.bdb.info(), "api_info": self.bdb.api_info()}

    def create(self, mode: str) -> object:
        prepared = self.bdb.transactions.prepare(
            operation="CREATE",
            signers=self.alice.public_key,
            asset={"data": {"bird": "quetzal", "sent": mode}},
            metadata={"beast": "basilisk", "sent": mode},
        )
        return self.send(f"send_{mode}", prepared, [self.alice], mode)

    def transfer(self) -> object:
        source = self.made["send_commit"]
        prepared = self.give(source, [0], [([self.bob.public_key], 1)])
        return self.send("transfer", prepared, [self.alice])

    def divisible(self) -> object:
        alice, bob, carol = ([p.public_key] for p in (self.alice, self.bob, self.carol))
        prepared = self.bdb.transactions.prepare(
            operation="CREATE",
            signers=self.alice.public_key,
            recipients=[(alice, 10)],
            asset={"data": {"token": "coffee"}},
        )
        created = self.send("divisible", prepared, [self.alice])
        prepared = self.give(
            self.made["divisible"], [0], [(alice, 4), (bob, 3), (carol, 3)]
        )
        split = self.send("split", prepared, [self.alice])
        prepared = self.give(self.made["split"], [1, 2], [(alice, 6)])
        joined = self.send("joined", prepared, [self.bob, self.carol])
        return {"created": created, "split": split, "joined": joined}

    def both_owners(self) -> object:
        both = [self.alice, self.bob]
        owners = [pair.public_key for pair in both]
        prepared = self.bdb.transactions.prepare(
            operation="CREATE",
            signers=owners,
            recipients=[(owners, 1)],
            asset={"data": {"deed": "both of two"}},
        )
        created = self.send("both_owners", prepared, both)
        recipients = [([self.carol.public_key], 1)]
        prepared = self.give(self.made["both_owners"], [0], recipients)
        spent = self.send("both_owners_spent", prepared, both)
        return {"created": created, "spent": spent}

    def two_of_three(self) -> object:
        owners = [pair.public_key for pair in (self.alice, self.bob, self.carol)]
        prepared = self.bdb.transactions.prepare(
            operation="CREATE",
            signers=self.alice.public_key,
            asset={"data": {"deed": "two of three"}},
        )
        prepared["outputs"] = [crafting.two_of(owners)]
        created = self.send("two_of_three", prepared, [self.alice])
        deed = self.made["two_of_three"]
        details = deed["outputs"][0]["condition"]["details"]
        recipients = [([self.bob.public_key], 1)]
        alone = {**details, "threshold": 1}
        one = crafting.sign_by_hand(
            self.give(deed, [0], recipients), alone, [self.carol]
        )
        two = crafting.sign_by_hand(
            self.give(deed, [0], recipients), details, [self.alice, self.carol]
        )
        refused = self.refusal(lambda: self.bdb.transactions.send_commit(one))
        spent = self.post("two_of_three_spent", two, "commit")
        return {"created": created, "one_signature": refused, "spent": spent}

    def double_spend(self) -> object:
        source = self.made["send_commit"]
        prepared = self.give(source, [0], [([self.carol.public_key], 1)])
        again = self.bdb.transactions.fulfill(prepared, self.alice.private_key)
        return self.refusal(lambda: self.bdb.transactions.send_sync(again))

    def sent_again(self) -> object:
        document = self.made["send_sync"]
        return self.refusal(lambda: self.bdb.transactions.send_async(document))

    def tampered(self) -> object:
        document = json.loads(json.dumps(self.made["send_async"]))
        document["metadata"]["beast"] = "cat"
        return self.refusal(lambda: self.bdb.transactions.send_commit(document))

    def missing(self) -> object:
        return self.refusal(lambda: self.bdb.transactions.retrieve("0" * 64))

    def outputs(self) -> object:
        get = self.bdb.outputs.get
        return {
            name: {
                "all": get(pair.public_key),
                "spent": get(pair.public_key, spent=True),
                "unspent": get(pair.public_key, spent=False),
            }
            for name, pair in self.keys.items()
        }

    def transactions(self) -> object:
        asset_id = self.made["divisible"]["id"]
        get = self.bdb.transactions.get
        return {
            "all": get(asset_id=asset_id),
            "create": get(asset_id=asset_id, operation="CREATE"),
            "transfer": get(asset_id=asset_id, operation="TRANSFER"),
        }

    def search(self, endpoint: Any, word: str) -> object:
        return {
            "found": endpoint.get(search=word),
            "limited": endpoint.get(search=word, limit=2),
            "none": endpoint.get(search="cockatrice"),
        }

    def block(self) -> object:
        transfer = self.made["transfer"]["id"]
        heights = {event["transaction_id"]: event["height"] for event in self.events}
        return self.bdb.blocks.retrieve(str(heights[transfer]))

    def give(
        self, source: Document, indices: list[int], recipients: list[Any]
    ) -> Document:
        """A transfer of some outputs of one transaction, not signed yet."""
        created = source["operation"] == "CREATE"
        prepared: Document = self.bdb.transactions.prepare(
            operation="TRANSFER",
            asset={"id": source["id"] if created else source["asset"]["id"]},
            inputs=[crafting.spend(source, index) for index in indices],
            recipients=recipients,
        )
        return prepared

    def send(
        self, name: str, prepared: Document, signers: list[Any], mode: str = "commit"
    ) -> object:
        private = [pair.private_key for pair in signers]
        fulfilled = self.bdb.transactions.fulfill(prepared, private)
        return self.post(name, fulfilled, mode)

    def post(self, name: str, document: Document, mode: str) -> object:
        """Send, wait for the event, and read back."""
        answered = getattr(self.bdb.transactions, f"send_{mode}")(document)
        while all(event["transaction_id"] != document["id"] for event in self.events):
            self.events.append(json.loads(self.stream.recv()))
        self.made[name] = document
        retrieved = self.bdb.transactions.retrieve(document["id"])
        return {"sent": document, "answered": answered, "retrieved": retrieved}

    def refusal(self, call: Callable[[], object]) -> object:
        """What the driver makes of an error answer."""
        try:
            answer = call()
        except TransportError as error:
            message = error.info["message"] if error.info else error.error
            return {"status": error.status_code, "message": message}
        raise AssertionError(f"accepted: {answer!r}")


if __name__ == "__main__":
    take(Application(json.load(sys.stdin)).steps())
