"""Names of BigchainDB's settings, and variables that only look like settings."""

from __future__ import annotations

import pytest

from trio_stream.config import ConfigError, foreign_names


@pytest.mark.parametrize(
    ("variable", "value", "is_one"),
    [
        ("TRIO_STREAM_SERVICE_HOST", "10.0.0.1", True),
        ("TRIO_STREAM_SERVICE_PORT_API", "9984", True),
        ("TRIO_STREAM_PORT_9984_TCP_ADDR", "10.0.0.1", True),
        ("TRIO_STREAM_PORT", "tcp://10.0.0.1:9984", True),
        ("TRIO_STREAM_ADVERTISED_PORT", "9985", False),
        ("TRIO_STREAM_ABCI", "tcp://10.0.0.1:9984", False),
    ],
)
def test_variables_of_services(variable: str, value: str, is_one: bool) -> None:
    assert foreign_names.is_of_a_service(variable, value) is is_one


def test_a_misspelt_variable_of_bigchaindb_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean BIGCHAINDB_WSSERVER_PORT?"):
        foreign_names.refuse_misspelt("BIGCHAINDB_WSERVER_PORT", "1")
    for variable in ("PATH", "BIGCHAINDB_DATABASE_HOST", "BIGCHAINDB_SERVICE_HOST"):
        foreign_names.refuse_misspelt(variable, "x")


def test_a_file_of_bigchaindb() -> None:
    document = {
        "CONFIGURED": True,
        "server": {"bind": "localhost:1", "workers": 4},
        "wsserver": {"scheme": "ws", "port": 2},
        "database": {"host": "x"},
    }
    found = {("server", "bind"): "localhost:1", ("wsserver", "port"): 2}
    assert foreign_names.of_bigchaindb(document) == found


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "must contain a JSON object"),
        ({"servers": 5}, "unknown section 'servers'"),
        ({"wsserver": {"hots": "x"}}, "unknown key wsserver.hots"),
        ({"server": {"bnid": "x"}}, "did you mean bind?"),
    ],
)
def test_what_is_wrong_in_a_file_of_bigchaindb(document: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        foreign_names.of_bigchaindb(document)
