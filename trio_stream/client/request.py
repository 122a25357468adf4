"""What a client requests from a server: addresses, filters and forms, as URLs and queries.

Where in the history it stands is not known here (`client.resume`), and nothing is sent. Options
have the names of the server's parameters. Their values are left to the server to check, whose
answer says more than a copy of its rules would.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit

from trio_stream.stream.selection import STREAMS_PATH, Stream

_PORTS: Final = {"ws": 80, "wss": 443}
# Parameters that this client adds itself; in a URL they would be given twice.
_OURS: Final = ("after", "from_height", "until", "detail", "notices")

# Of followers, which stream other chains than BigchainDB's.
FollowedName = Literal["transactions", "blocks", "events"]
StreamName = (
    Literal["valid_transactions", "valid_blocks", "refused_transactions"] | FollowedName
)
_STREAM_NAMES: Final = (*(each.value for each in Stream), *get_args(FollowedName))

_FILTERS: Final = (
    *("asset_id", "public_key", "operation"),
    *("query", "sender", "recipient", "contract", "action"),
)

Texts = str | Iterable[str]
"""One or several strings."""


class Endpoint(NamedTuple):
    """A server's address, and the target to request from it."""

    host: str
    port: int
    tls: bool
    target: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host
            if self.port == _PORTS["wss" if self.tls else "ws"]
            else f"{host}:{self.port}"
        )

    def asking(self, parameters: Iterable[tuple[str, str]]) -> Endpoint:
        """The same endpoint with these parameters added to its target."""
        joint = "&" if "?" in self.target else "?"
        return self._replace(
            target=f"{self.target}{joint}{urlencode(list(parameters))}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages, and in which form; the same on every connection."""

    asset_id: tuple[str, ...] = ()
    public_key: tuple[str, ...] = ()
    operation: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    match: str | None = None
    detail: str = "position"
    empty_blocks: bool = False
    # None: only with filters, when messages may be far apart.
    notices: bool | None = None

    @property
    def filtered(self) -> bool:
        return any(getattr(self, name) for name in _FILTERS)

    @property
    def with_notices(self) -> bool:
        return self.filtered if self.notices is None else self.notices

    def parameters(self) -> list[tuple[str, str]]:
        # Each message must carry its position, or the stream could not be resumed.
        found = [("detail", self.detail)]
        for name in _FILTERS:
            found += [(name, value) for value in getattr(self, name)]
        if self.match is not None:
            found.append(("match", self.match))
        if self.empty_blocks:
            found.append(("empty_blocks", "1"))
        if self.with_notices:
            found.append(("notices", "1"))
        return found


def texts(values: Texts) -> tuple[str, ...]:
    """One string or several, as a tuple."""
    return (values,) if isinstance(values, str) else tuple(values)


def read_urls(urls: Texts, stream: str | None = None) -> dict[str, Endpoint]:
    """The servers by their URLs, in their order; `stream` is for those without a path.

    Raises ValueError if there are none, for an invalid one, or if they name different streams.
    """
    if stream is not None and stream not in _STREAM_NAMES:
        raise ValueError(
            f"unknown stream {stream!r}; there are {', '.join(_STREAM_NAMES)}"
        )
    found = {url: read_url(url, stream) for url in texts(urls)}
    if not found:
        raise ValueError("no URL was given")
    named = {_stream_of(each) for each in found.values()}
    if len(named) > 1:
        raise ValueError(
            f"all URLs must name the same stream, not {' and '.join(sorted(named))}"
        )
    if stream is not None and stream not in named:
        raise ValueError(f"the URL names the stream {named.pop()}, not {stream}")
    return found


def _stream_of(endpoint: Endpoint) -> str:
    return endpoint.target.partition("?")[0].rpartition("/")[2]


def read_url(url: str, stream: str | None = None) -> Endpoint:
    """Take a URL apart; one without a path means `stream`, or `valid_transactions`.

    Raises ValueError.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(
            f"the URL of a stream must be ws://HOST:PORT or wss://HOST:PORT, not {url!r}"
        )
    if parts.username is not None or parts.fragment:
        raise ValueError(
            f"{url!r} has a user name, a password or a fragment, which would not be sent"
        )
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name in _OURS:
            raise ValueError(f"give {name} as an option, not in the URL {url!r}")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError as error:
        raise ValueError(f"{error}: {url!r}") from None
    named = stream or Stream.VALID_TRANSACTIONS.value
    path = parts.path.rstrip("/") or STREAMS_PATH + named
    target = f"{path}?{parts.query}" if parts.query else path
    if not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError(
            f"blanks and characters outside ASCII must be percent-encoded in {url!r}"
        )
    return Endpoint(parts.hostname, port, parts.scheme == "wss", target)
