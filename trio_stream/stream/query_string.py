"""What a subscriber asks for in its query string, whatever kind of chain it is about.

    after=<position>|<transaction id>|earliest     exclusive
    from_height=<height>                           inclusive
    until=tip|<height>                             inclusive; the stream then ends
    detail=position|full   notices=1
    stream= limit= wait=                           of a pull, which gets a single answer

Each kind of chain has parameters of its own beside these, from which it makes a selection.

A mistake never silently leads to a stream that begins now: what cannot be read is
refused, and so is a name that resembles one of ours (`names`), and any unknown name
beside one of ours, since that was written for us. All other names are ignored, as BigchainDB
ignores every query string. `resume` says whether a position is available.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Generic
from urllib.parse import parse_qsl

from trio_stream.stream.names import meant_by, quoted
from trio_stream.stream.page_request import S
from trio_stream.stream.position import parse_position
from trio_stream.stream.request import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    MAX_WAIT,
    After,
    Asked,
    BadRequest,
    FromHeight,
    NamedPlace,
    TransactionId,
)
from trio_stream.stream.selection import Form
from trio_stream.transactions.ids import ID

_DIGITS: Final = re.compile(r"[0-9]{1,18}")

_SHARED: Final = ("after", "from_height", "until", "detail", "notices")
_OF_PULL: Final = ("stream", "limit", "wait")

QUOTED: Final = 100
"""How many characters of what a client wrote an answer repeats."""

# No request has that many valid names, and looking at all it has room for would take long.
_NAMES: Final = 100


class Values:
    """The values by name, each read and checked; all raise `BadRequest`."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def every(self, name: str) -> Sequence[str]:
        """All of them, of which there may be any number."""
        return self._values.get(name, ())

    def once(self, name: str) -> str | None:
        """The only one, if there is any."""
        found = self.every(name)
        if len(found) > 1:
            raise BadRequest(f"{name} may be given only once")
        return found[0] if found else None

    def choice(self, name: str, **choices: object) -> object:
        """What the value stands for; None if there is none."""
        value = self.once(name)
        if value is None:
            return None
        if value not in choices:
            raise BadRequest(
                f"{name} must be {' or '.join(choices)}, not {quoted(value, QUOTED)}"
            )
        return choices[value]

    def flag(self, name: str) -> bool:
        return bool(self.choice(name, **{"1": True, "0": False}))

    def number(self, name: str, *, least: int, most: int, default: int) -> int:
        value = self.once(name)
        if value is None:
            return default
        if not _DIGITS.fullmatch(value) or not least <= int(value) <= most:
            given = quoted(value, QUOTED)
            raise BadRequest(
                f"{name} must be a number from {least} to {most}, not {given}"
            )
        return int(value)

    def form(self) -> Form:
        """What `detail` says."""
        form = self.choice("detail", position=Form.POSITION, full=Form.FULL)
        return form if isinstance(form, Form) else Form.PLAIN


class QueryReader(Generic[S]):
    """Reads the query strings of subscribers to one kind of chain."""

    def __init__(
        self,
        names: Sequence[str],
        own: Sequence[str],
        selection: Callable[[str, Values], S],
        *,
        id_pattern: re.Pattern[str] = ID,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        """`names` are the streams' own; the first is what a pull means that names none.

        `selection` makes what is selected of a stream's name and of the values, of which those
        named in `own` are its own. `id_pattern` is what a transaction's id looks like. `elsewhere`
        says of other kinds' parameters whose they are.
        """
        self.names = tuple(names)
        self._selection = selection
        self._id = id_pattern
        self._elsewhere = dict(elsewhere or {})
        self._of_streams = *_SHARED, *own
        of_both = (name for name in self._of_streams if name != "notices")
        self._of_pulls = *of_both, *_OF_PULL

    def subscription(self, stream: str, query: str) -> Asked[S]:
        """What a subscriber to this stream asks for. Raises `BadRequest`."""
        elsewhere = self._elsewhere | dict.fromkeys(_OF_PULL, "/api/v1/events")
        return self._parse(query, stream, self._of_streams, elsewhere)

    def pull(self, query: str) -> Asked[S]:
        """What a pull asks for, which may name its stream. Raises `BadRequest`."""
        elsewhere = self._elsewhere | {"notices": "the streams"}
        return self._parse(query, None, self._of_pulls, elsewhere)

    def after(self, text: str) -> After:
        """Read the value of `after`. Raises `BadRequest`."""
        if text == "earliest":
            return NamedPlace.EARLIEST
        if self._id.fullmatch(text):
            return TransactionId(text)
        try:
            return parse_position(text)
        except ValueError:
            raise BadRequest(
                "after must be a position, a transaction id or earliest,"
                f" not {quoted(text, QUOTED)}"
            ) from None

    def _parse(
        self,
        query: str,
        stream: str | None,
        known: tuple[str, ...],
        elsewhere: Mapping[str, str],
    ) -> Asked[S]:
        values: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
            values.setdefault(name, []).append(value)
        try:
            _refuse_names(values, known, elsewhere)
            return self._read(Values(values), stream)
        except BadRequest as error:
            error.notices = values.get("notices") == ["1"]
            raise

    def _read(self, values: Values, stream: str | None) -> Asked[S]:
        if stream is None:
            named = values.choice("stream", **{name: name for name in self.names})
            stream = str(named or self.names[0])
        return Asked(
            selection=self._selection(stream, values),
            after=self._after(values),
            until=_until(values),
            notices=values.flag("notices"),
            limit=values.number(
                "limit", least=1, most=MAX_LIMIT, default=DEFAULT_LIMIT
            ),
            wait=values.number("wait", least=0, most=MAX_WAIT, default=0),
        )

    def _after(self, values: Values) -> After:
        after, height = values.once("after"), values.once("from_height")
        if after is not None and height is not None:
            raise BadRequest("give either after or from_height, not both")
        if height is not None:
            if not _DIGITS.fullmatch(height):
                raise BadRequest(
                    f"from_height must be a height, not {quoted(height, QUOTED)}"
                )
            return FromHeight(int(height))
        return NamedPlace.NOW if after is None else self.after(after)


def _refuse_names(
    names: Iterable[str], known: tuple[str, ...], elsewhere: Mapping[str, str]
) -> None:
    ours = next((name for name in names if name in known), None)
    for name in islice(names, _NAMES):
        if name in known:
            continue
        shown = quoted(name, QUOTED)
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


def _until(values: Values) -> NamedPlace | int | None:
    until = values.once("until")
    if until is None:
        return None
    if until == "tip":
        return NamedPlace.TIP
    if not _DIGITS.fullmatch(until):
        raise BadRequest(f"until must be tip or a height, not {quoted(until, QUOTED)}")
    return int(until)


def wants_notices(query: str) -> bool:
    """Whether a query string, of whatever stream, asks for notices."""
    pairs = parse_qsl(query, keep_blank_values=True, errors="replace")
    return [value for name, value in pairs if name == "notices"] == ["1"]
