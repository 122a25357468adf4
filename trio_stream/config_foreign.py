"""Names that others give to settings: BigchainDB's, and variables that nobody gave on purpose.

Kubernetes sets variables for each Service of a namespace, named after the Service; one that is
called `trio-stream` gets `TRIO_STREAM_PORT=tcp://10.0.0.1:9984`. They are no settings, though they
look like it, even where the name is that of one.
"""

from __future__ import annotations

import re
from typing import Final

from trio_stream.config_values import ConfigError
from trio_stream.stream.names import edits

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

# What else its file may hold belongs to parts that are not here (its database, its HTTP
# server, its log files) and is read past, so that the file can be used as it stands.
_UNUSED_SECTIONS = ("server", "database", "log")
_UNUSED = {("wsserver", "scheme"), ("tendermint", "version")}
_REST = ("CONFIGURED", "validation_plugin")

_SERVICE_NAME = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$"
    r"|_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?$"
)
_SERVICE_VALUE = re.compile(r"(tcp|udp|sctp)://")


def is_of_a_service(variable: str, value: str) -> bool:
    """Is this what Kubernetes, or Docker's links, say of a service?"""
    if _SERVICE_NAME.search(variable):
        return True
    return variable.endswith("_PORT") and _SERVICE_VALUE.match(value) is not None


def refuse_misspelt(variable: str, value: str) -> None:
    """Raise ConfigError for a variable that can only be one of BigchainDB's, misspelt.

    Its others belong to parts that are not here, and may be set.
    """
    if not variable.startswith("BIGCHAINDB_") or is_of_a_service(variable, value):
        return
    for known in (*BIGCHAINDB_VARIABLES, "BIGCHAINDB_CONFIG_PATH"):
        # Two letters exchanged are one edit.
        if edits(variable, known) <= 2:
            raise ConfigError(
                f"unknown environment variable {variable}; did you mean {known}?"
            )


def of_bigchaindb(document: object) -> dict[tuple[str, str], object]:
    """What a file of BigchainDB's says that means something here."""
    if not isinstance(document, dict):
        raise ConfigError("must hold an object")
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
            elif section == "server" and edits(name, "bind") == 1:
                raise ConfigError(f"unknown key server.{name}; did you mean bind?")
    return found
