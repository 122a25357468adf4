from __future__ import annotations

import pytest

from trio_stream.access.paths import needed
from trio_stream.access.tokens import Permission


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "/", None),
        ("HEAD", "/", None),
        ("GET", "/client.js", None),
        ("GET", "/static/page.css", None),
        ("GET", "/manual", None),
        ("GET", "/manual/sql", None),
        ("GET", "/health/ready", None),
        ("OPTIONS", "/api/v1/transactions", None),
        ("GET", "/metrics", Permission.METRICS),
        ("HEAD", "/metrics/", Permission.METRICS),
        ("GET", "//metrics", Permission.METRICS),
        ("GET", "//host/metrics//", Permission.METRICS),
        ("GET", "/api/v1/status", Permission.READ),
        ("GET", "/api/v1", Permission.READ),
        ("GET", "/api/v1/streams/valid_transactions", Permission.READ),
        ("GET", "/health", Permission.READ),
        ("GET", "//health/ready", Permission.READ),
        ("GET", "/static/../api/v1/transactions", Permission.READ),
        ("GET", "/health/../metrics", Permission.METRICS),
        ("GET", "/unknown", Permission.READ),
        ("POST", "/api/v1/tickets", Permission.READ),
        ("POST", "/api/v1/transactions", Permission.POST),
        ("POST", "/", Permission.READ),
        ("POST", "//", Permission.POST),
        ("GET", "/broadcast_tx_sync", Permission.POST),
        ("DELETE", "/health/live", Permission.POST),
    ],
)
def test_what_a_request_needs(
    method: str, path: str, permission: Permission | None
) -> None:
    assert needed(method, path) is permission
