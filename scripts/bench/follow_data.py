"""Blocks of a chain of the Cosmos SDK, made of a recorded transfer with other addresses.

Hashes and signatures are random, so that what is stored compresses as little as in truth.
"""

from __future__ import annotations

import base64
import copy
import json
import random
import re
from typing import Any

from tests.cometbft import recordings
from trio_stream.cometbft.blocks import read_block
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.results import read_results

BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
ADDRESS = re.compile("cosmos1[a-z0-9]{38}")
SIGNATURE = re.compile(r"[A-Za-z0-9+/]{86}==")
AMOUNT = re.compile(r'"(\d+)stake')
SIGNED_BYTES = 154
"""Of a transaction that differ from each other one: keys, numbers and the signature."""


class MadeBlocks:
    """Blocks with so many transfers, as a recorded node says them."""

    def __init__(self, name: str, transactions: int, addresses: int = 20_000) -> None:
        self._random = random.Random(19)
        self.addresses = [
            "cosmos1" + "".join(self._random.choices(BECH32, k=38))
            for _ in range(addresses)
        ]
        self._count = transactions
        height = recordings.SDK[name]
        self._block = self._answer(name, "block", height)
        self._results = self._answer(name, "block_results", height)
        self._text = json.dumps(self._results["txs_results"][0])
        self._own = sorted(set(ADDRESS.findall(self._text)))
        self._tx = base64.b64decode(self._block["block"]["data"]["txs"][0])

    def _answer(self, name: str, method: str, height: int) -> Any:
        return recordings.answer(name, recordings.at(method, height, name))

    def at(self, height: int) -> FollowedBlock:
        """The block of that height; its hashes are not true."""
        block, results = copy.deepcopy(self._block), copy.deepcopy(self._results)
        block["block"]["header"]["height"] = results["height"] = str(height)
        block["block_id"]["hash"] = self._random.randbytes(32).hex().upper()
        made = [self._transfer() for _ in range(self._count)]
        block["block"]["data"]["txs"] = [tx for tx, _ in made]
        results["txs_results"] = [result for _, result in made]
        return FollowedBlock(read_block(block), read_results(results), block, results)

    def _transfer(self) -> tuple[str, Any]:
        text = self._text
        for each in self._own:
            text = text.replace(each, self._random.choice(self.addresses))
        text = SIGNATURE.sub(lambda _: self._base64(64), text)
        text = AMOUNT.sub(lambda _: f'"{self._random.randrange(1, 10**7)}stake', text)
        tx = self._tx[:-SIGNED_BYTES] + self._random.randbytes(SIGNED_BYTES)
        return base64.b64encode(tx).decode(), json.loads(text)

    def _base64(self, count: int) -> str:
        return base64.b64encode(self._random.randbytes(count)).decode()
