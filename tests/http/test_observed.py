"""What is asked about the node itself, over HTTP."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import requests
import trio

from tests.instant_node import instant_node


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/v1/status", 200, "application/json"),
        ("/health/live", 200, "application/json"),
        ("/health/ready", 503, "application/json"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
async def test_each_path_answers(
    tmp_path: Path, method: str, path: str, status: int, kind: str
) -> None:
    async with instant_node(tmp_path) as node:
        for each in (path, f"{path}/", f"{path}?a=b"):
            ask = partial(requests.request, method, node.http_url + each, timeout=60)
            answer = await trio.to_thread.run_sync(ask)
            assert answer.status_code == status
            assert answer.headers["content-type"] == kind
            assert bool(answer.content) == (method == "GET")
            assert ("retry-after" in answer.headers) == (status == 503)
