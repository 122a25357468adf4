"""The drivers that are installed make the very transactions that are recorded.

So what they send in the other tests is what drivers have always sent. What the package does not
get from a driver here, it gets from the recorded transactions themselves.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
import trio

from tests.conftest import VECTORS
from tests.interop.drivers import SEEDS, Driver, Steps

pytestmark = pytest.mark.interop

NAMES = (
    "v01_create_simple",
    "v03_create_null_asset_null_metadata",
    "v04_create_two_issuers_2of2_input",
    "v05_transfer_simple",
    "v06_create_divisible",
    "v07_transfer_divisible_two_inputs_three_outputs",
    "v08_transfer_spend_2of2",
    "v09_create_2of3_threshold_output",
    "v10_transfer_spend_2of3_alice_carol",
    "v14_create_max_amounts",
)
RECORDED: dict[str, dict[str, Any]] = {
    name: json.loads((VECTORS / f"{name}.json").read_text()) for name in NAMES
}


@pytest.fixture(scope="session")
def made(driver: Driver) -> Steps:
    return trio.run(partial(driver.run, "recorded", vectors=RECORDED))


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_transaction_is_made_again(made: Steps, name: str) -> None:
    assert made[name] == RECORDED[name]["transaction"]


def test_key_pairs_are_those_of_the_seeds(made: Steps) -> None:
    known = json.loads((VECTORS / "keys.json").read_text())["keys"]
    assert made["keys"] == {
        name: [known[name]["private_key"], known[name]["public_key"]] for name in SEEDS
    }
