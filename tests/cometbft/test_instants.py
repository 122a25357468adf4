from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.cometbft.errors import Malformed
from trio_stream.cometbft.instants import instant, read_date, read_time

NOON = 1_367_592_300 * 10**9


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2013-05-03T14:45:00Z", NOON),
        ("2013-05-03T14:45:00.5Z", NOON + 500_000_000),
        ("2013-05-03T14:45:00,000000001Z", NOON + 1),
        ("2013-05-03T14:45:00.1234567899Z", NOON + 123_456_789),
        ("2013-05-03T16:45:00+02:00", NOON),
        ("2013-05-03T12:15:00-02:30", NOON),
        ("1970-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800 * 10**9),
    ],
)
def test_times(text: str, nanoseconds: int) -> None:
    assert read_time(text) == instant(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2013-05-03",
        "2013-05-03T14:45:00",
        "2013-05-03T24:45:00Z",
        "2013-05-03T14:60:00Z",
        "2013-05-03T14:45:60Z",
        "2013-02-30T14:45:00Z",
        "2013-05-03T14:45:00.Z",
        "2013-05-03T14:45:00+25:00",
        "2013-05-03T14:45:00+00:61",
        "2013-05-03t14:45:00Z",
        "٢٠١٣-05-03T14:45:00Z",
        "2013-05-03T14:45:00Z ",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert read_time(text) is None
    with pytest.raises(Malformed, match="no time"):
        instant(text)


@pytest.mark.parametrize(
    "text", ["", "2013-5-3", "2013-13-01", "2013-05-03T", "0000-01-01"]
)
def test_what_is_no_date(text: str) -> None:
    assert read_date(text) is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_datetime_writes_is_read(moment: datetime) -> None:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
    assert read_time(moment.isoformat()) == microseconds * 1000
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    assert read_date(f"{moment.date()}") == read_time(midnight.isoformat())
