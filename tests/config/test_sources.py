"""Where a setting comes from, and what an error in one says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trio_stream.config import (
    Address,
    Config,
    ConfigError,
    FollowConfig,
    load,
    load_follow,
    load_traced,
)
from trio_stream.config.following_values import Bounds


def test_without_settings_the_defaults_hold() -> None:
    assert load({}, {}, file=None) == Config()
    assert str(Config().stream) == "localhost:9985"
    assert Config().max_clients == 20_000


def test_flags_override_environment_file_and_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('api = "a:1"\nstream = "a:2"\nnode = "http://a:3"\n')
    environment = {"TRIO_STREAM_API": "b:1", "TRIO_STREAM_STREAM": "b:2"}
    config = load({"api": "c:1", "node": None}, environment, file=file)
    assert config.api == Address("c", 1)
    assert config.stream == Address("b", 2)
    assert config.node == "http://a:3"
    assert config.abci == Config().abci


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
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
        ("hmoe = 'x'", "did you mean 'home'"),
        ('home = ""', "home"),
        ('home = "a\\u0000b"', "home"),
        ('home = "~nobody-of-this-name/x"', "home"),
        ('stream = "two hosts:1"', "stream"),
        ('stream = "http://localhost:1"', "stream"),
        ('stream = "localhost:"', "stream"),
        ('abci = "tcp://localhost"', "abci"),
        ('abci = "unix:///%s"' % ("x" * 107), "108 bytes"),
        ('node = "http://localhost:0"', "node"),
        ('node = "http://me:secret@localhost:1"', "node"),
        ('node = "http://localhost:1/rpc"', "node"),
        ('advertised_host = "ws://node.example"', "advertised_host"),
        ('advertised_host = "node.example:443"', "advertised_host"),
        ("advertised_port = 0", "advertised_port"),
        ("stall_timeout = nan", "stall_timeout"),
        ("stall_timeout = inf", "stall_timeout"),
        ("stall_timeout = true", "stall_timeout"),
        ("a = " + "[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        ('{"wsserver": {"hots": "x"}}', "wsserver.hots"),
        ('{"wsserver": {"port": "x"}}', "wsserver.port"),
        ('{"servers": 5}', "'servers'"),
        ("{", "config.toml"),
    ],
)
def test_errors_in_the_file_are_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        load({}, {}, file=file)


SERVICE = {
    "TRIO_STREAM_SERVICE_HOST": "10.0.0.1",
    "TRIO_STREAM_SERVICE_PORT": "9984",
    "TRIO_STREAM_SERVICE_PORT_API": "9984",
    "TRIO_STREAM_PORT": "tcp://10.0.0.1:9984",
    "TRIO_STREAM_PORT_9984_TCP": "tcp://10.0.0.1:9984",
    "TRIO_STREAM_PORT_9984_TCP_PROTO": "tcp",
    "TRIO_STREAM_PORT_9984_TCP_PORT": "9984",
    "TRIO_STREAM_PORT_9984_TCP_ADDR": "10.0.0.1",
    # Of Services that are called trio-stream-advertised and bigchaindb-wsserver.
    "TRIO_STREAM_ADVERTISED_PORT": "tcp://10.0.0.2:9985",
    "BIGCHAINDB_WSSERVER_PORT": "tcp://10.0.0.3:9985",
}


@pytest.mark.parametrize("variable", SERVICE)
def test_variables_of_kubernetes_services_are_ignored_with_a_warning(
    variable: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert load({}, {variable: SERVICE[variable]}, file=None) == Config()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert variable in record.getMessage()


def test_all_variables_of_services_are_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment = SERVICE | {"TRIO_STREAM_MAX_CLIENTS": "7"}
    assert load({}, environment, file=None) == Config(max_clients=7)
    assert len(caplog.records) == 1


def test_a_port_that_looks_like_one_is_a_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment = {"TRIO_STREAM_ADVERTISED_PORT": "443"}
    assert load({}, environment, file=None).advertised_port == 443
    with pytest.raises(ConfigError, match="TRIO_STREAM_PORT"):
        load({}, {"TRIO_STREAM_PORT": "9984"}, file=None)
    assert not caplog.records


def test_errors_elsewhere_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TRIO_STREAM_HOEM"):
        load({}, {"TRIO_STREAM_HOEM": "x"}, file=None)
    with pytest.raises(ConfigError, match="TRIO_STREAM_MAX_CLIENTS"):
        load({}, {"TRIO_STREAM_MAX_CLIENTS": "many"}, file=None)
    with pytest.raises(ConfigError, match="BIGCHAINDB tendermint.port"):
        load({}, {"BIGCHAINDB_TENDERMINT_PORT": "x"}, file=None)
    with pytest.raises(ConfigError, match="--abci"):
        load({"abci": "localhost"}, {}, file=None)
    with pytest.raises(ConfigError, match="missing.toml: No such file"):
        load({}, {}, file=tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load({}, {}, file=tmp_path)
    with pytest.raises(
        ConfigError, match="TRIO_STREAM_CONFIG begins with the home directory"
    ):
        load({}, {"TRIO_STREAM_CONFIG": "~nobody-of-this-name/x"}, file=None)


def test_strings_of_the_environment_become_values() -> None:
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


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("BIGCHAINDB_WSSERVER_HOTS", "BIGCHAINDB_WSSERVER_HOST"),
        ("BIGCHAINDB_SERVER_BIN", "BIGCHAINDB_SERVER_BIND"),
        ("BIGCHAINDB_CONFIG_PAHT", "BIGCHAINDB_CONFIG_PATH"),
    ],
)
def test_a_misspelt_bigchaindb_variable_is_refused(variable: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"{variable}; did you mean {meant}"):
        load({}, {variable: "localhost:1"}, file=None)


def test_other_bigchaindb_variables_may_be_set() -> None:
    theirs = {
        **dict.fromkeys(("BIGCHAINDB_SERVER_WORKERS", "BIGCHAINDB_DATABASE_PORT"), "1"),
        **{"BIGCHAINDB_WSSERVER_SCHEME": "ws", "BIGCHAINDB_LOG_FILE": "x"},
        # Of a Service called bigchaindb-server.
        "BIGCHAINDB_SERVER_PORT": "tcp://10.0.0.1:9984",
    }
    assert load({}, theirs, file=None) == load({}, {}, file=None)


def test_a_misspelt_key_among_the_ignored_ones_is_refused(
    tmp_path: Path,
) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"server": {"bnd": "localhost:1", "workers": 3}}')
    with pytest.raises(ConfigError, match="key server.bnd; did you mean bind"):
        load({}, {}, file=file)


def test_the_origin_of_each_value_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('api = "a:1"\nmax_clients = 5\n')
    environment = {"TRIO_STREAM_MAX_CLIENTS": "6", "BIGCHAINDB_TENDERMINT_PORT": "7"}
    loaded = load_traced({"home": "x", "abci": None}, environment, file=file)
    assert loaded.config.max_clients == 6
    assert loaded.origins == {
        "api": f"{file}: api",
        "max_clients": "TRIO_STREAM_MAX_CLIENTS",
        "node": "environment BIGCHAINDB tendermint.port",
        "home": "--home",
    }


def test_host_and_port_of_bigchaindb_have_an_origin_each() -> None:
    both = {"BIGCHAINDB_WSSERVER_HOST": "a", "BIGCHAINDB_WSSERVER_PORT": "1"}
    assert load_traced({}, both, file=None).origins == {
        "stream": "environment BIGCHAINDB wsserver.host"
        " and environment BIGCHAINDB wsserver.port"
    }


def test_a_follower_reads_flags_environment_and_file(tmp_path: Path) -> None:
    file = tmp_path / "follow.toml"
    file.write_text('node = ["http://a:1", "http://b:2"]\nfrom = 7\nkeep = "7d"\n')
    environment = {
        "TRIO_STREAM_CONFIG": str(file),
        "TRIO_STREAM_KEEP": "50GB",
        "TRIO_STREAM_PORT_9984_TCP": "tcp://10.0.0.1:9984",
        # What a node would take or refuse.
        "BIGCHAINDB_SERVER_BIND": "c:1",
        "BIGCHAINDB_SERVER_BNID": "c:1",
        "BIGCHAINDB_CONFIG_PATH": "/nowhere",
    }
    loaded = load_follow({"from": "earliest", "keep": None}, environment, file=None)
    assert loaded.config == FollowConfig(
        node=("http://a:1", "http://b:2"),
        from_="earliest",
        keep=Bounds(bytes=50 * 10**9, text="50GB"),
    )
    assert loaded.origins == {
        "node": f"{file}: node",
        "from": "--from",
        "keep": "TRIO_STREAM_KEEP",
    }


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("abci = 'x'", "f.toml: unknown key 'abci' here; it is one of `run`"),
        ("nodes = 'http://a:1'", "did you mean 'node'?"),
        ("node = 5", "f.toml: node must be a list of addresses"),
        ('{"server": {}}', "configuration file .*f.toml: "),
        ("a = " + "[" * 100_000, "nested too deep"),
        ("\udcff", "configuration file .*f.toml: "),
    ],
)
def test_errors_in_a_followers_file_are_named(
    tmp_path: Path, text: str, named: str
) -> None:
    file = tmp_path / "f.toml"
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError, match=named):
        load_follow({}, {}, file=file)


def test_a_setting_of_a_follower_is_none_of_a_node(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'keep' here; it is one of `follow`"):
        load({}, {"TRIO_STREAM_KEEP": "7d"}, file=None)
