"""config.toml is changed line by line, and nothing else in it."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import pytest

from scripts.engines import home
from scripts.engines.home import BadHome, ValidatorHome

TEXT = """\
# Where the application is: proxy_app = "somewhere"
proxy_app = "tcp://127.0.0.1:26658"
moniker = "here"

[rpc]
# The address to listen on
laddr = "tcp://127.0.0.1:26657"

[p2p]
laddr = "tcp://0.0.0.0:26656"
pex = true
addr_book_strict = true

[consensus]
timeout_commit = "1s"
create_empty_blocks = true
skip_timeout_commit = false
"""

VALIDATOR = ValidatorHome(Path("home"), "unix:///run/abci.sock", 20001, 20002)


def test_addresses_and_settings_are_set() -> None:
    config = tomllib.loads(home.configure(TEXT, VALIDATOR))
    assert config == {
        "proxy_app": "unix:///run/abci.sock",
        "moniker": "here",
        "rpc": {"laddr": "tcp://127.0.0.1:20001"},
        "p2p": {
            "laddr": "tcp://127.0.0.1:20002",
            "pex": False,
            "addr_book_strict": False,
        },
        "consensus": {
            "timeout_commit": "0s",
            "create_empty_blocks": False,
            "skip_timeout_commit": True,
        },
    }


def test_everything_else_stays_as_it_was() -> None:
    before, after = (
        TEXT.splitlines(),
        home.configure(TEXT, VALIDATOR).splitlines(),
    )
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert old == new or old.partition(" = ")[0] == new.partition(" = ")[0]


def test_a_home_can_be_configured_again() -> None:
    once = home.configure(TEXT, VALIDATOR)
    assert home.configure(once, VALIDATOR) == once


def test_a_pause_after_each_block_is_not_skipped() -> None:
    settings = {("consensus", "timeout_commit"): "2s"}
    validator = ValidatorHome(Path("home"), "kvstore", 20001, 20002, settings)
    consensus = tomllib.loads(home.configure(TEXT, validator))["consensus"]
    assert consensus["timeout_commit"] == "2s"
    assert consensus["skip_timeout_commit"] is False


def test_a_release_without_skip_timeout_commit_is_set_up_nevertheless() -> None:
    text = TEXT.replace("skip_timeout_commit = false\n", "")
    assert "skip_timeout_commit" not in home.configure(text, VALIDATOR)


def test_a_file_without_a_required_key_is_refused() -> None:
    with pytest.raises(BadHome, match=r"has no p2p\.pex"):
        home.configure(TEXT.replace("pex = true\n", ""), VALIDATOR)


def test_free_ports_are_free_and_below_those_of_outgoing_connections() -> None:
    ports = home.free_ports(20)
    assert len(set(ports)) == 20
    assert all(1024 < port < 32768 for port in ports)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not home.is_free(server.getsockname()[1])
