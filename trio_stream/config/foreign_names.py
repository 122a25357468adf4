"""Names that others have for settings: BigchainDB's, and those of variables that nobody set.

Kubernetes sets variables for every Service of a namespace, named after the Service; a Service
called `trio-stream` causes `TRIO_STREAM_PORT=tcp://10.0.0.1:9984`. They look like settings but are
not.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from trio_stream.config.values import ConfigError

BIGCHAINDB: Final = {
    ("server", "bind"): "api",
    ("wsserver", "host"): "stream_host",
    ("wsserver", "port"): "stream_port",
    ("wsserver", "advertised_scheme"): "advertised_scheme",
    ("wsserver", "advertised_host"): "advertised_host",
    ("wsserver", "advertised_port"): "advertised_port",
    ("tendermint", "host"): "node_host",
    ("tendermint", "port"): "node_port",
}
"""BigchainDB's settings that mean something here, by section and name."""

BIGCHAINDB_VARIABLES: Final = {
    f"BIGCHAINDB_{section}_{name}".upper(): (section, name)
    for section, name in BIGCHAINDB
}

# Everything else in its file belongs to parts that don't exist here (its database, its HTTP server,
# its log files) and is ignored, so that the file can be used unchanged.
_UNUSED_SECTIONS = ("server", "database", "log")
_UNUSED = {("wsserver", "scheme"), ("tendermint", "version")}
_REST = ("CONFIGURED", "validation_plugin")

_SERVICE_NAME = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$"
    r"|_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?$"
)
_SERVICE_VALUE = re.compile(r"(tcp|udp|sctp)://")


def is_of_a_service(variable: str, value: str) -> bool:
    """Is this a variable that Kubernetes, or a link of Docker's, sets for a service?"""
    if _SERVICE_NAME.search(variable):
        return True
    return variable.endswith("_PORT") and _SERVICE_VALUE.match(value) is not None


def refuse_misspelt(variable: str, value: str) -> None:
    """Raise ConfigError for a variable that can only be a misspelt one of BigchainDB's.

    BigchainDB's other variables belong to parts that don't exist here, and may be set.
    """
    if not variable.startswith("BIGCHAINDB_") or is_of_a_service(variable, value):
        return
    known = {
        other.removeprefix("BIGCHAINDB_"): other
        for other in (*BIGCHAINDB_VARIABLES, "BIGCHAINDB_CONFIG_PATH")
    }
    near = get_close_matches(
        variable.removeprefix("BIGCHAINDB_"), known, n=1, cutoff=0.9
    )
    if near:
        raise ConfigError(
            f"unknown environment variable {variable}; did you mean {known[near[0]]}?"
        )


def of_bigchaindb(document: object) -> dict[tuple[str, str], object]:
    """What a configuration file of BigchainDB says, as far as it means something here."""
    if not isinstance(document, dict):
        raise ConfigError("must contain a JSON object")
    found: dict[tuple[str, str], object] = {}
    for section, members in document.items():
        if section in _REST:
            continue
        if not isinstance(members, dict):
            raise ConfigError(f"unknown section {section!r}")
        for name, value in members.items():
            if (section, name) in BIGCHAINDB:
                found[section, name] = value
            elif section not in _UNUSED_SECTIONS and (section, name) not in _UNUSED:
                raise ConfigError(f"unknown key {section}.{name}")
            elif section == "server" and get_close_matches(name, ["bind"], cutoff=0.75):
                raise ConfigError(f"unknown key server.{name}; did you mean bind?")
    return found
