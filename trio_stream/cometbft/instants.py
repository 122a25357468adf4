"""Times and dates as RFC 3339 writes them, to the nanosecond.

An instant is a whole number of nanoseconds since 1970: `datetime` knows microseconds only, and the
hash of a header holds all nine digits.
"""

from __future__ import annotations

import re
from datetime import date

from trio_stream.cometbft.errors import Malformed

SECOND = 10**9
EPOCH = date(1970, 1, 1).toordinal()

DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def read_date(text: str) -> int | None:
    """The start of that day in UTC, or None if the text is no date."""
    found = DATE.fullmatch(text)
    return None if found is None else _day(found)


def read_time(text: str) -> int | None:
    """That instant, or None if the text is none."""
    found = TIME.fullmatch(text)
    if found is None:
        return None
    day, hours, minutes, seconds, fraction, sign, off_hours, off_minutes = (
        found.groups()
    )
    start = read_date(day)
    hour, minute, second = int(hours), int(minutes), int(seconds)
    if start is None or hour > 23 or minute > 59 or second > 59:
        return None
    offset = 0
    if sign is not None:
        # As Go's reader does: no zone is more than a day from UTC.
        if int(off_hours) > 24 or int(off_minutes) > 60:
            return None
        offset = int(off_hours) * 60 + int(off_minutes)
        offset = -offset if sign == "-" else offset
    whole = ((hour * 60 + minute - offset) * 60 + second) * SECOND
    return start + whole + int((fraction or "").ljust(9, "0")[:9])


def instant(text: str) -> int:
    """The instant of a header; raises Malformed."""
    found = read_time(text)
    if found is None:
        raise Malformed(f"no time: {text[:64]!r}")
    return found


def _day(found: re.Match[str]) -> int | None:
    year, month, day = map(int, found.groups())
    try:
        return (date(year, month, day).toordinal() - EPOCH) * 86_400 * SECOND
    except ValueError:
        return None
