"""Frames made inside SQLite: texts are composed, framed and joined by a single statement.

This is for what most subscribers read: transactions in their plain form, or with positions. It
takes half a microsecond per event, or one microsecond, all of it without the interpreter's lock, so
that Commit, the channel and all sockets continue meanwhile; the same in Python takes ten times as
long and holds the lock. The texts are those of `stream.messages`, once more in SQL.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple, overload

import apsw

from trio_stream.abci.messages import Time
from trio_stream.log.matches import RowSource
from trio_stream.log.rows import HEIGHT, INDEX, Row
from trio_stream.stream.events import CommitEvent
from trio_stream.stream.frames import text_frame
from trio_stream.stream.messages import (
    FIRST_SECOND,
    LAST_NANO,
    LAST_SECOND,
    event_text,
    time_text,
)
from trio_stream.stream.position import END_OF_BLOCK, INDEX_BITS
from trio_stream.stream.selection import Form

# Added to a key, this gives a number of 19 digits, up to a height of 122 thousand million.
_KEY_DIGITS: Final = 19
_KEY_BASE: Final = 10 ** (_KEY_DIGITS - 1)

_PLAIN: Final = f"""
    '{{"height": ', {HEIGHT}, ', "asset_id": "', coalesce(asset_id, id),
    '", "transaction_id": "', id, '"'"""
_TIME: Final = f"""
    strftime('%Y-%m-%dT%H:%M:%S', min(max(seconds, {FIRST_SECOND}), {LAST_SECOND}),
             'unixepoch'), printf('.%09dZ', min(max(nanos, 0), {LAST_NANO}))"""
_MORE: Final = f"""
    ', "index": ', {INDEX}, ', "position": "', {HEIGHT}, ':', {INDEX}, ':',
    substr(id, 1, 8), '", "time": "', {_TIME}, '", "tx_hash": "', hex(sha256), '"'"""
_SIZE: Final = f"(:size + 2 * length({INDEX}))"

# Positions are returned as joined numbers of equal length: SQLite converts them cheapest.
_KEYS: Final = f"group_concat(position + {_KEY_BASE}, '')"
# The text between two transactions is passed as a separator, which copies each byte once; concat()
# of a whole frame takes half as long again.
_ASSET: Final = """', "asset_id": "'"""
_JOIN_PLAIN: Final = f"""
    SELECT CAST(:begin || (min(position) >> {INDEX_BITS}) || {_ASSET} || group_concat(
            coalesce(asset_id, id) || '", "transaction_id": "' || id,
            :between || {HEIGHT} || {_ASSET}
        ) || '"}}' AS BLOB),
        {_KEYS}, NULL
    FROM """
# A length from 126 to 65535, as these have, takes two bytes after 0x7e (RFC 6455, 5.2).
_JOIN_POSITION: Final = f"""
    SELECT CAST(group_concat(
            concat(unhex(printf('817e%04x', {_SIZE})), {_PLAIN}, {_MORE}, '}}'), ''
        ) AS BLOB),
        {_KEYS},
        group_concat(printf('%04x', {_SIZE} + 4), '')
    FROM """
_WITH_TIME: Final = f" CROSS JOIN blocks ON height = {HEIGHT}"

_ID: Final = "0" * 64
_TIME_TEXT: Final = time_text(Time(0, 0))


class Joined(NamedTuple):
    """Frames in a row; for each, the offset of its end and the key of its position."""

    frames: bytes
    ends: Sequence[int]
    keys: Sequence[int]


class _Keys(Sequence[int]):
    """The keys in a result of `_KEYS`, read on demand: few of a page's are ever looked at."""

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        self._digits = digits

    def __len__(self) -> int:
        return len(self._digits) // _KEY_DIGITS

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...

    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        places = range(0, len(self._digits), _KEY_DIGITS)[index]
        if isinstance(places, int):
            return int(self._digits[places : places + _KEY_DIGITS]) - _KEY_BASE
        return [self[place // _KEY_DIGITS] for place in places]


class Joiner:
    """Makes frames of one form, for transactions whose heights have as many digits as `height`.

    So their lengths differ only by their indexes, and plain ones all have the same length.
    """

    def __init__(self, form: Form, height: int) -> None:
        event = CommitEvent(height, 0, _ID, _ID, bytes(32))
        text = event_text(event, form, time=_TIME_TEXT)
        frame = text_frame(text)
        self.frame_bytes = len(frame)
        """The size of the longest frame."""
        self.columns: str
        """The columns of `transactions` in use; copying all would take a fifth of the time."""
        self._bindings: dict[str, object]
        if form is Form.PLAIN:
            self._join, self._more = _JOIN_PLAIN, ""
            self.columns = "position, id, asset_id"
            begin = frame[: -len(text)] + b'{"height": '
            self._bindings = {"begin": begin, "between": b'"}' + begin}
        else:
            self._join, self._more = _JOIN_POSITION, _WITH_TIME
            self.columns = "position, id, asset_id, sha256"
            # The index, here of one digit, occurs in it twice.
            self._bindings = {"size": len(text) - 2}
            self.frame_bytes += 2 * (len(str(END_OF_BLOCK)) - 1)

    def join(self, connection: apsw.Connection, source: RowSource) -> Joined:
        """The frames of these transactions."""
        sql = self._join + source.table + self._more
        bindings = {**source.bindings, **self._bindings}
        joined: list[Row] = connection.execute(sql, bindings).fetchall()
        frames, keys, sizes = joined[0]
        if frames is None:
            return Joined(b"", (), ())
        step = self.frame_bytes
        ends: Sequence[int] = range(step, len(frames) + 1, step)
        if sizes is not None:
            ends = array("Q", accumulate(_numbers(sizes)))
        return Joined(frames, ends, _Keys(keys))


def _numbers(digits: str) -> array[int]:
    """Read numbers of two bytes each from hexadecimal digits."""
    numbers = array("H", bytes.fromhex(digits))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
