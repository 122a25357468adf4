"""Makes recorded transactions again, with the Python driver, from keys and contents alone.

Run by the driver's own interpreter, Python 3.9 or later, with what the driver's documentation
shows and nothing of this project.
"""

from __future__ import annotations

import json
import sys
from functools import partial

from bigchaindb_driver import BigchainDB  # type: ignore[import-not-found]

from tests.interop.python import crafting
from tests.interop.python.crafting import Document
from tests.interop.python.steps import Steps, take


class Recorded:
    """Makes known transactions again, from keys and contents alone."""

    def __init__(self, options: Document) -> None:
        self.vectors = options["vectors"]
        self.keys = crafting.keys_of(options["seeds"])
        self.bdb = BigchainDB()

    def steps(self) -> Steps:
        again = {
            name: partial(self.again, vector) for name, vector in self.vectors.items()
        }
        return {"keys": self.key_pairs, **again}

    def key_pairs(self) -> object:
        return {name: list(pair) for name, pair in self.keys.items()}

    def again(self, vector: Document) -> Document:
        document = vector["transaction"]
        owners = [each["owners_before"] for each in document["inputs"]]
        secrets = {pair.public_key: pair.private_key for pair in self.keys.values()}
        contents = {name: document[name] for name in ("operation", "asset", "metadata")}
        recipients = [(o["public_keys"], int(o["amount"])) for o in document["outputs"]]
        if document["operation"] == "CREATE":
            contents["signers"] = owners[0]
        else:
            spent = {each["id"]: each for each in vector["spends"]}
            links = [each["fulfills"] for each in document["inputs"]]
            contents["inputs"] = [
                crafting.spend(spent[link["transaction_id"]], link["output_index"])
                for link in links
            ]
        prepare = self.bdb.transactions.prepare
        prepared: Document = prepare(recipients=recipients, **contents)
        if document["outputs"][0]["condition"]["details"].get("threshold") == 2:
            if len(document["outputs"][0]["public_keys"]) == 3:
                prepared["outputs"] = [
                    crafting.two_of(document["outputs"][0]["public_keys"])
                ]
        if len(owners[0]) == 3:
            details = vector["spends"][0]["outputs"][0]["condition"]["details"]
            signers = [self.keys["alice"], self.keys["carol"]]
            return crafting.sign_by_hand(prepared, details, signers)
        private = [secrets[public] for each in owners for public in each]
        fulfilled: Document = self.bdb.transactions.fulfill(prepared, private)
        return fulfilled


if __name__ == "__main__":
    take(Recorded(json.load(sys.stdin)).steps())
