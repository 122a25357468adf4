"""Who broke the protocol: the two errors of this folder."""

from __future__ import annotations


class RemoteProtocolError(Exception):
    """The peer sent what no node sends; its connection can't go on."""


class LocalProtocolError(Exception):
    """We broke our own rule: an answer to the wrong request, or of the wrong kind."""
