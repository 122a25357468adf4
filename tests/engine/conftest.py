"""The stand-in for an engine's RPC that the tests of this folder use."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.stub_rpc import StubRpc


@pytest.fixture
async def stub() -> AsyncIterator[StubRpc]:
    async with StubRpc().serving() as stub:
        yield stub
