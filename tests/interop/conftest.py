"""The drivers, installed, and what came of using one on a chain of its own.

A driver that cannot be installed is an error. Only where the machine has no interpreter for it
at all are its tests left out, with that reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts import interop_env
from scripts.daemon_process import RunningDaemon
from scripts.engines.build import Release
from tests.engines import conftest as engine_fixtures
from tests.engines.site import Event, Site, event_of, settled, subscribed
from tests.interop.drivers import DRIVERS, Driver, Steps

# The engines are chosen and built as for the other tests on real ones.
engine = engine_fixtures.engine
pytest_generate_tests = engine_fixtures.pytest_generate_tests


@dataclass(frozen=True, slots=True)
class Run:
    """One use of a driver: what it reported, and what the node itself says afterwards."""

    driver: str
    steps: Steps
    events: list[Event]
    """As another client of the stream got them meanwhile."""
    blocks: dict[int, list[dict[str, Any]]]
    """The transactions of each block that has some, in the order of the block."""

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [document for block in self.blocks.values() for document in block]


@pytest.fixture(scope="session", params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Driver:
    try:
        return DRIVERS[request.param]()
    except interop_env.NotHere as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def run(
    engine: Release, driver: Driver, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """What the driver's application did on that engine."""
    folder = tmp_path_factory.mktemp(f"{engine.name}-{driver.name}")
    return trio.run(use, driver, engine, folder)


async def use(driver: Driver, engine: Release, folder: Path) -> Run:
    site = Site(engine, folder)
    async with site.daemon() as daemon, site.engine() as running:
        async with subscribed(daemon) as client:
            steps = await driver.run(
                "application", api=daemon.api, stream=daemon.stream
            )
            await settled(running.rpc)
            blocks = await blocks_of(daemon)
            await client.until(
                document["id"] for block in blocks.values() for document in block
            )
            return Run(driver.name, steps, client.events, blocks)


async def blocks_of(daemon: RunningDaemon) -> dict[int, list[dict[str, Any]]]:
    blocks: dict[int, list[dict[str, Any]]] = {}
    height = 0
    while True:
        height += 1
        answer = await daemon.http("GET", f"/api/v1/blocks/{height}")
        if answer.status == 404:
            return blocks
        if documents := json.loads(answer.body)["transactions"]:
            blocks[height] = documents


def events_of(blocks: dict[int, list[dict[str, Any]]]) -> list[Event]:
    """The stream that these blocks make."""
    return [
        event_of(height, document)
        for height, block in blocks.items()
        for document in block
    ]
