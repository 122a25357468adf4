"""What a subscriber asks for in its query string.

    after=<position>|<transaction id>|earliest     exclusive
    from_height=<height>                           inclusive
    until=tip|<height>                             inclusive; the stream then ends
    asset_id= public_key= operation=               filters, as often as wanted
    detail=position|full   notices=1   empty_blocks=1
    limit= wait=                                   of a pull, which gets a single answer

A mistake never silently leads to a stream that begins now: what cannot be read is
refused, and so is a name that resembles one of ours (`names`), and any unknown name
beside one of ours, since that was written for us. All other names are ignored, as BigchainDB
ignores every query string. `resume` says whether a position is available.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import parse_qsl

from trio_stream.stream.filters import FILTERS, Filter
from trio_stream.stream.names import meant_by, quoted
from trio_stream.stream.position import GivenPosition, parse_position
from trio_stream.stream.selection import PLAIN, Filters, Form, Selection, Stream
from trio_stream.transactions.ids import ID

_DIGITS: Final = re.compile(r"[0-9]{1,18}")

_ONCE: Final = ("after", "from_height", "until", "detail", "notices", "empty_blocks")
_OF_PULL: Final = ("stream", "limit", "wait")
_STREAM_NAMES: Final = (*_ONCE, *FILTERS)
_PULL_NAMES: Final = (
    tuple(name for name in _STREAM_NAMES if name != "notices") + _OF_PULL
)

_QUOTED: Final = 100
"""How many characters of what a client wrote an answer repeats."""

MAX_LIMIT: Final = 1_000
"""Messages in one answer to a pull."""
DEFAULT_LIMIT: Final = 100
MAX_WAIT: Final = 30
"""Seconds for which a pull may wait for a message."""

# No request has that many valid names, and looking at all it has room for would take long.
_NAMES: Final = 100


class NamedPlace(enum.Enum):
    """Places that have names instead of positions."""

    NOW = enum.auto()
    EARLIEST = enum.auto()
    TIP = enum.auto()


@dataclass(frozen=True, slots=True)
class TransactionId:
    """The place of a transaction."""

    text: str


@dataclass(frozen=True, slots=True)
class FromHeight:
    """The place before this block."""

    height: int


After = NamedPlace | GivenPosition | TransactionId | FromHeight


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a subscriber asks for."""

    selection: Selection
    after: After = NamedPlace.NOW
    until: NamedPlace | int | None = None
    notices: bool = False
    limit: int = DEFAULT_LIMIT
    wait: int = 0


class BadRequest(Exception):
    """The request cannot be read; the text says what is wrong."""

    notices = False
    """Whether it asks for notices."""


def parse_request(stream: Stream, query: str) -> Asked:
    """Read the query string of a subscriber to `stream`. Raises `BadRequest`."""
    elsewhere = dict.fromkeys(_OF_PULL, "/api/v1/events")
    return _parse(query, stream, _STREAM_NAMES, elsewhere)


def parse_pull(query: str) -> Asked:
    """Read the query string of a pull, which may name its stream. Raises `BadRequest`."""
    return _parse(query, None, _PULL_NAMES, {"notices": "the streams"})


def _parse(
    query: str,
    stream: Stream | None,
    known: tuple[str, ...],
    elsewhere: Mapping[str, str],
) -> Asked:
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        values.setdefault(name, []).append(value)
    try:
        _refuse_names(values, known, elsewhere)
        return _read(_Values(values), stream)
    except BadRequest as error:
        error.notices = values.get("notices") == ["1"]
        raise


def _refuse_names(
    names: Iterable[str], known: tuple[str, ...], elsewhere: Mapping[str, str]
) -> None:
    ours = next((name for name in names if name in known), None)
    for name in islice(names, _NAMES):
        if name in known:
            continue
        shown = quoted(name, _QUOTED)
        meant = meant_by(name, (*known, *elsewhere))
        if meant is not None and meant in elsewhere:
            raise BadRequest(
                f"{shown} is not a parameter here; '{meant}' belongs to {elsewhere[meant]}"
            )
        if meant is not None:
            raise BadRequest(f"unknown parameter {shown}; did you mean '{meant}'?")
        if ours is not None:
            others = ", ".join(other for other in known if other != ours)
            raise BadRequest(
                f"unknown parameter {shown} beside '{ours}'; known: {others}"
            )


class _Values:
    """The values by name, each read and checked."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    def once(self, name: str) -> str | None:
        found = self._values.get(name)
        if found is None:
            return None
        if len(found) > 1:
            raise BadRequest(f"{name} may be given only once")
        return found[0]

    def choice(self, name: str, **choices: object) -> object:
        """What the value stands for; None if there is none."""
        value = self.once(name)
        if value is None:
            return None
        if value not in choices:
            raise BadRequest(
                f"{name} must be {' or '.join(choices)}, not {quoted(value, _QUOTED)}"
            )
        return choices[value]

    def flag(self, name: str) -> bool:
        return bool(self.choice(name, **{"1": True, "0": False}))

    def number(self, name: str, *, least: int, most: int, default: int) -> int:
        value = self.once(name)
        if value is None:
            return default
        if not _DIGITS.fullmatch(value) or not least <= int(value) <= most:
            given = quoted(value, _QUOTED)
            raise BadRequest(
                f"{name} must be a number from {least} to {most}, not {given}"
            )
        return int(value)

    def every(self, name: str, filter_: Filter) -> Sequence[str]:
        found = self._values.get(name, [])
        for value in found:
            if not filter_.pattern.fullmatch(value):
                given = quoted(value, _QUOTED)
                raise BadRequest(f"{name} must be {filter_.kind}, not {given}")
        return found


def _read(values: _Values, stream: Stream | None) -> Asked:
    return Asked(
        selection=_selection(values, stream),
        after=_after(values),
        until=_until(values),
        notices=values.flag("notices"),
        limit=values.number("limit", least=1, most=MAX_LIMIT, default=DEFAULT_LIMIT),
        wait=values.number("wait", least=0, most=MAX_WAIT, default=0),
    )


def _selection(values: _Values, stream: Stream | None) -> Selection:
    if stream is None:
        named = values.choice("stream", **{each.value: each for each in Stream})
        stream = named if isinstance(named, Stream) else Stream.VALID_TRANSACTIONS
    form = values.choice("detail", position=Form.POSITION, full=Form.FULL)
    filters = {name: values.every(name, each) for name, each in FILTERS.items()}
    selection = Selection(
        stream,
        form if isinstance(form, Form) else Form.PLAIN,
        Filters(**filters),
        values.flag("empty_blocks"),
    )
    if stream is not Stream.VALID_TRANSACTIONS:
        if selection.filters:
            raise BadRequest(f"{stream.value} cannot be filtered")
        if selection.form is Form.FULL:
            raise BadRequest(
                f"detail=full is only for {Stream.VALID_TRANSACTIONS.value}"
            )
    if stream is not Stream.VALID_BLOCKS and values.once("empty_blocks") is not None:
        raise BadRequest(f"empty_blocks is only for {Stream.VALID_BLOCKS.value}")
    # Each client keeps its selection, and nearly all of them ask for this one.
    return PLAIN if selection == PLAIN else selection


def _after(values: _Values) -> After:
    after, height = values.once("after"), values.once("from_height")
    if after is not None and height is not None:
        raise BadRequest("give either after or from_height, not both")
    if height is not None:
        if not _DIGITS.fullmatch(height):
            raise BadRequest(
                f"from_height must be a height, not {quoted(height, _QUOTED)}"
            )
        return FromHeight(int(height))
    if after is None:
        return NamedPlace.NOW
    return read_after(after)


def read_after(text: str) -> After:
    """Read the value of `after`. Raises `BadRequest`."""
    if text == "earliest":
        return NamedPlace.EARLIEST
    if ID.fullmatch(text):
        return TransactionId(text)
    try:
        return parse_position(text)
    except ValueError:
        raise BadRequest(
            f"after must be a position, a transaction id or earliest, not {quoted(text, _QUOTED)}"
        ) from None


def _until(values: _Values) -> NamedPlace | int | None:
    until = values.once("until")
    if until is None:
        return None
    if until == "tip":
        return NamedPlace.TIP
    if not _DIGITS.fullmatch(until):
        raise BadRequest(f"until must be tip or a height, not {quoted(until, _QUOTED)}")
    return int(until)
