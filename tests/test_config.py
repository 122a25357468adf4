"""Where a setting comes from, and what a wrong one says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trio_stream.config import Address, Config, ConfigError, load


def test_nothing_given_is_the_defaults() -> None:
    assert load({}, {}, file=None) == Config()
    assert str(Config().stream) == "localhost:9985"
    assert Config().max_clients == 20_000


def test_flag_over_environment_over_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('api = "a:1"\nstream = "a:2"\nnode = "http://a:3"\n')
    environment = {"TRIO_STREAM_API": "b:1", "TRIO_STREAM_STREAM": "b:2"}
    config = load({"api": "c:1", "node": None}, environment, file=file)
    assert config.api == Address("c", 1)
    assert config.stream == Address("b", 2)
    assert config.node == "http://a:3"
    assert config.abci == Config().abci


def test_the_file_is_named_by_the_environment_too(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("max_clients = 7\n")
    assert load({}, {"TRIO_STREAM_CONFIG": str(file)}, file=None).max_clients == 7
    assert load({}, {"BIGCHAINDB_CONFIG_PATH": str(file)}, file=None).max_clients == 7


def test_bigchaindb_names_in_the_environment() -> None:
    environment = {
        "BIGCHAINDB_SERVER_BIND": "0.0.0.0:9984",
        "BIGCHAINDB_WSSERVER_HOST": "0.0.0.0",
        "BIGCHAINDB_WSSERVER_ADVERTISED_HOST": "node.example",
        "BIGCHAINDB_WSSERVER_ADVERTISED_PORT": "443",
        "BIGCHAINDB_WSSERVER_ADVERTISED_SCHEME": "wss",
        "BIGCHAINDB_TENDERMINT_PORT": "36657",
        "BIGCHAINDB_DATABASE_HOST": "ignored",
    }
    config = load({}, environment, file=None)
    assert config.api == Address("0.0.0.0", 9984)
    assert config.stream == Address("0.0.0.0", 9985)
    assert config.node == "http://localhost:36657"
    assert config.advertised_host == "node.example"
    assert config.advertised_port == 443
    assert config.advertised_scheme == "wss"


def test_our_name_wins_over_bigchaindbs() -> None:
    environment = {"BIGCHAINDB_SERVER_BIND": "a:1", "TRIO_STREAM_API": "b:2"}
    assert load({}, environment, file=None).api == Address("b", 2)


def test_bigchaindbs_json_file(tmp_path: Path) -> None:
    file = tmp_path / ".bigchaindb"
    document = {
        "server": {"bind": "127.0.0.1:1984", "workers": None},
        "wsserver": {"scheme": "ws", "host": "127.0.0.1", "port": 1985},
        "tendermint": {"host": "engine", "port": 26657, "version": "v0.31.5"},
        "database": {"backend": "localmongodb"},
        "log": {},
        "CONFIGURED": True,
    }
    file.write_text(json.dumps(document))
    config = load({}, {"BIGCHAINDB_WSSERVER_PORT": "2985"}, file=file)
    assert config.api == Address("127.0.0.1", 1984)
    assert config.stream == Address("127.0.0.1", 2985)
    assert config.node == "http://engine:26657"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('hom = "x"', "'hom'"),
        ("max_clients = true", "max_clients"),
        ("max_clients = 0", "max_clients"),
        ("max_clients = -1", "max_clients"),
        ('ping_interval = "soon"', "ping_interval"),
        ("stall_timeout = 0", "stall_timeout"),
        ('stream = "localhost"', "stream"),
        ('stream = "::1:9985"', "stream"),
        ('api = "localhost:99999"', "api"),
        ('abci = "http://localhost:1"', "abci"),
        ('abci = "unix://"', "abci"),
        ('node = "https://localhost:1"', "node"),
        ('node = "http://localhost:x"', "node"),
        ('trusted_proxies = ["10.0.0.1/8"]', "trusted_proxies"),
        ("trusted_proxies = 5", "trusted_proxies"),
        ('advertised_scheme = "http"', "advertised_scheme"),
        ('log_level = "loud"', "log_level"),
        ('tls_key = "key.pem"', "tls_certificate"),
        ("home =", "config.toml"),
        ('{"wsserver": {"hots": "x"}}', "wsserver.hots"),
        ('{"wsserver": {"port": "x"}}', "wsserver.port"),
        ('{"servers": 5}', "'servers'"),
        ("{", "config.toml"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(
    tmp_path: Path, text: str, named: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        load({}, {}, file=file)


def test_what_is_wrong_elsewhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TRIO_STREAM_HOEM"):
        load({}, {"TRIO_STREAM_HOEM": "x"}, file=None)
    with pytest.raises(ConfigError, match="TRIO_STREAM_MAX_CLIENTS"):
        load({}, {"TRIO_STREAM_MAX_CLIENTS": "many"}, file=None)
    with pytest.raises(ConfigError, match="BIGCHAINDB tendermint.port"):
        load({}, {"BIGCHAINDB_TENDERMINT_PORT": "x"}, file=None)
    with pytest.raises(ConfigError, match="--abci"):
        load({"abci": "localhost"}, {}, file=None)
    with pytest.raises(ConfigError, match="missing.toml"):
        load({}, {}, file=tmp_path / "missing.toml")


def test_texts_of_the_environment_become_values() -> None:
    environment = {
        "TRIO_STREAM_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
        "TRIO_STREAM_STALL_TIMEOUT": "1.5",
        "TRIO_STREAM_NODE": "tcp://127.0.0.1:26657/",
        "TRIO_STREAM_STREAM": "[::1]:0",
        "TRIO_STREAM_ABCI": "unix:///run/abci.sock",
    }
    config = load({}, environment, file=None)
    assert config.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert config.stall_timeout == 1.5
    assert config.node == "http://127.0.0.1:26657"
    assert str(config.stream) == "[::1]:0"
    assert config.abci == "unix:///run/abci.sock"
