"""The range of each setting, and which settings contradict each other."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from trio_stream.config import Config, ConfigError, load

LEAST_AND_MOST = {
    "frame_limit": (2 << 20, 1 << 30),
    "cache_bytes": (0, 64 << 30),
    "node_connections": (1, 1_000),
    "snapshot_interval": (0, 1_000_000_000),
    "snapshot_keep": (1, 10),
    "max_clients": (1, 1_000_000),
    "max_clients_per_address": (0, 1_000_000),
    "max_handshakes": (16, 1_000_000),
    "stream_connections_per_address": (0, 1_000_000),
    "requests_per_address": (0, 1_000_000),
    "post_bytes_per_address": (0, 64 << 30),
    "send_buffer": (4096, 64 << 20),
    "tail_bytes": (4096, 64 << 30),
    "resume_ahead": (0, 1_000_000),
    "http_connections": (16, 1_000_000),
    "http_connections_per_address": (0, 1_000_000),
    "ready_engine_timeout": (0, 86400),
    "ready_free_bytes": (0, 1 << 40),
    "http_keep_alive": (0.1, 86400),
    "http_body_timeout": (0.1, 3600),
    "http_body_rate": (1, 1 << 30),
    "http_bytes_under_way": (1 << 20, 64 << 30),
    "max_body_bytes": (1024, 128 << 20),
    "advertised_port": (1, 65535),
    "node_timeout": (0.1, 3600),
    "ping_interval": (0.1, 86400),
    "pong_timeout": (0.1, 86400),
    "stall_timeout": (0.1, 86400),
    "handshake_timeout": (0.1, 3600),
    "commit_timeout": (0.1, 3600),
    "shutdown_http": (0.1, 3600),
    "shutdown_abci": (0.1, 3600),
    "shutdown_stream": (0.1, 3600),
    "shutdown_total": (0.1, 3600),
}


@pytest.mark.parametrize("name", [each.name for each in fields(Config)])
def test_each_number_has_a_range(name: str) -> None:
    kind = get_type_hints(Config)[name]
    if kind not in (int, float, int | None):
        assert name not in LEAST_AND_MOST
        return
    step = 0.01 if kind is float else 1
    least, most = LEAST_AND_MOST[name]
    # With everything else at its most generous, so that nothing contradicts it.
    room = {"shutdown_total": 3600, "shutdown_http": 0.1, "shutdown_abci": 0.1}
    room |= {"shutdown_stream": 0.1, "max_body_bytes": 1024}
    for good in (least, most):
        if name.startswith("shutdown_"):
            good = min(good, 3000) if name != "shutdown_total" else max(good, 0.3)
        assert getattr(load({**room, name: good}, {}, file=None), name) == good
    for bad in (least - step, most + step):
        with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} must be"):
            load({name: bad}, {}, file=None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('tls_key = "key.pem"', "tls_certificate and tls_key"),
        ('tls_client_ca = "ca.pem"', "tls_client_ca: give tls_certificate and tls_key"),
        ("shutdown_total = 21", r"shutdown_total \(21 s\) must be at least .*22 s"),
        ("http_bytes_under_way = 2_000_000", "http_bytes_under_way .* max_body_bytes"),
        ('api = "localhost:7"\nstream = "localhost:7"', "api and stream"),
        ('api = "0.0.0.0:7"\nstream = "10.0.0.1:7"', "api and stream"),
        ('api = "[::1]:7"\nabci = "tcp://localhost:7"', "api and abci"),
        ('node = "http://127.0.0.1:26658"', "own abci address.*26657"),
        ('node = "http://localhost:9984"', "own api address"),
    ],
)
def test_contradicting_settings_are_refused(
    tmp_path: Path, text: str, named: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load({}, {}, file=file)


@pytest.mark.parametrize(
    "text",
    [
        'api = "localhost:0"\nstream = "localhost:0"',
        'api = "[::1]:7"\nstream = "127.0.0.1:7"',
        'api = "10.0.0.1:7"\nstream = "10.0.0.2:7"',
        'abci = "tcp://0.0.0.0:26658"\nnode = "http://engine:26658"',
        'abci = "unix:///run/abci"\nnode = "http://localhost:26658"',
    ],
)
def test_settings_that_do_not_contradict_are_accepted(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "config.toml"
    # As some editors save it.
    file.write_text("\ufeff" + text)
    load({}, {}, file=file)
