"""Who broke the protocol: the two errors of this package."""

from __future__ import annotations


class RemoteProtocolError(Exception):
    """The peer sent something that no engine sends; its connection can't go on."""


class LocalProtocolError(Exception):
    """We broke a rule of ours: the answer was to the wrong request, or of the wrong kind."""
