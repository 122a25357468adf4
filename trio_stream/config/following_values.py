"""The readers of settings that only a follower has; see `values`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from trio_stream.config.values import Address, ConfigError, listed, text

MOST_NODES: Final = 64
"""Each has connections of its own, and is asked for its tip every second at worst."""

HIGHEST: Final = 10**11
"""Of a height, as in `cometbft.fields`."""

_SECONDS: Final[Mapping[str, float]] = {"h": 3600, "d": 86_400, "w": 604_800}
_BYTES: Final[Mapping[str, int]] = {
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_AMOUNT: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of the chain is kept; None for no bound of that kind."""

    blocks: int | None = None
    seconds: float | None = None
    bytes: int | None = None
    text: str = "everything"
    """As it was written."""

    def __str__(self) -> str:
        return self.text


EVERYTHING: Final = Bounds()


def node_urls(value: object) -> tuple[str, ...]:
    """Addresses of nodes, each `http://` or `https://`, with a path if a proxy wants one."""
    found = tuple(dict.fromkeys(map(_node_url, listed(value, "a list of addresses"))))
    if len(found) > MOST_NODES:
        raise ConfigError(f"must name at most {MOST_NODES} nodes")
    return found


def _node_url(value: object) -> str:
    given = text(value).rstrip("/")
    given = re.sub("^tcp://", "http://", given)
    try:
        parts = urlsplit(given)
        usable = parts.scheme in ("http", "https") and parts.port != 0
        # What no resolver takes: labels that are empty or too long.
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise ConfigError(f"is not a URL: {error}") from None
    more = parts.query or parts.fragment or "@" in parts.netloc or not given.isascii()
    if not usable or not parts.hostname or more or re.search(r"\s", given):
        raise ConfigError(
            "must be http://HOST:PORT or https://HOST:PORT, with a path if need be, without user"
            " and query"
        )
    if parts.path.endswith("/websocket"):
        raise ConfigError("must be without /websocket, which is found by itself")
    return given


def address_of(url: str) -> Address:
    """Where a node is."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Address(parts.hostname or "", port)


def start(value: object) -> str | int:
    """Where a new log begins: `earliest`, `tip` or a height."""
    if value in ("earliest", "tip"):
        return str(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value.strip()):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= HIGHEST:
        return value
    raise ConfigError("must be earliest, tip, or a height from 1 on")


def boolean(value: object) -> bool:
    """True or false, of TOML or in words."""
    words = {"true": True, "1": True, "false": False, "0": False}
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise ConfigError("must be true or false")
    return found


def index_keys(value: object) -> str | tuple[str, ...]:
    """`flagged`, `all`, `none`, or names of attributes."""
    if value in ("flagged", "all", "none"):
        return str(value)
    what = "flagged, all, none, or a list of keys, such as transfer.recipient"
    found = tuple(text(each) for each in listed(value, what))
    if not found or any("." not in each.strip(".") for each in found):
        raise ConfigError(f"must be {what}")
    return found


def bounds(value: object) -> Bounds:
    """`everything`, or amounts with their units."""
    given = text(value)
    if given == "everything":
        return EVERYTHING
    found: dict[str, float | int] = {}
    for part in given.split(","):
        name, amount = _bound(part.strip())
        if name in found:
            raise ConfigError(f"must bound the {name} only once")
        if amount <= 0:
            raise ConfigError("must not keep nothing")
        found[name] = amount
    return Bounds(**found, text=given)  # type: ignore[arg-type]  # each is of its kind


def _bound(part: str) -> tuple[str, float | int]:
    matched = _AMOUNT.fullmatch(part)
    number, unit = matched.groups() if matched else ("", "")
    if unit in _SECONDS:
        return "seconds", float(number) * _SECONDS[unit]
    if unit in _BYTES:
        return "bytes", int(float(number) * _BYTES[unit])
    if unit in ("block", "blocks") and "." not in number:
        return "blocks", int(number)
    units = ", ".join((*_SECONDS, "blocks", *_BYTES))
    raise ConfigError(
        "must be everything, or an age, a number of blocks or a size, such as 7d, 100000 blocks"
        f" or 50GB, or several with commas in between (units: {units})"
    )


def rate(value: object) -> float | None:
    """Requests a second; `auto` stands for what suits the address."""
    if value == "auto":
        return None
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            number = float(value)
            if 0.1 <= number <= 100_000:
                return number
    except (ValueError, OverflowError):
        pass
    raise ConfigError("must be auto, or requests per second from 0.1 to 100000")


def attributes(value: object) -> str:
    """How nodes write the attributes of events."""
    if value not in ("auto", "plain", "base64"):
        raise ConfigError("must be auto, plain or base64")
    return str(value)
