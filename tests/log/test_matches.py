"""Which rows a filter finds, by which index, and how far it looks; pages are in test_replay."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rich_log import ASSETS, KEYS, LAST, OPERATIONS, commit_all, messages
from trio_stream.log.file import open_for_reading
from trio_stream.log.matches import QUERIES, Span, find_matches, stretch, wanted
from trio_stream.log.writer import CommitLog
from trio_stream.stream.filters import FILTERS
from trio_stream.stream.position import Position
from trio_stream.stream.selection import PLAIN, Filters, Selection

ALL = Span(0, Position.end_of(LAST).key)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    """The whole rich log."""
    with CommitLog.open(tmp_path_factory.mktemp("log")) as log:
        commit_all(log)
        connection = open_for_reading(log.path)
        yield connection
        connection.close()


def some(values: tuple[str, ...]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from((*values, "nobody's")), max_size=3)


def test_each_filter_has_a_query() -> None:
    assert list(QUERIES) == list(FILTERS)


@pytest.mark.slow
@given(
    st.builds(
        Filters,
        asset_id=some(ASSETS),
        public_key=some(KEYS),
        operation=some(OPERATIONS),
    ).filter(bool),
    st.sampled_from([1, 3, 30, 10_000]),
)
@settings(max_examples=100, deadline=None)
def test_all_is_found_as_far_as_was_looked(
    log: apsw.Connection, filters: Filters, looks: int
) -> None:
    expected = [position.key for position, _ in messages(Selection(filters=filters))]
    found, after = list[int](), ALL.after
    while after < ALL.until:
        keys, until = find_matches(log, filters, Span(after, ALL.until), looks=looks)
        assert until > after
        found += keys
        after = until
    assert found == expected


def test_a_scan_asks_the_other_filters_too(
    log: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = QUERIES["asset_id"]._replace(
        common=frozenset(ASSETS), condition="asset_id IN ({})"
    )
    monkeypatch.setitem(QUERIES, "asset_id", common)
    filters = Filters(asset_id=ASSETS[:1], operation=["TRANSFER"])
    expected = [position.key for position, _ in messages(Selection(filters=filters))]

    assert list(find_matches(log, filters, ALL, looks=1 << 20).keys) == expected


def test_no_more_is_taken_than_asked_for(log: apsw.Connection) -> None:
    everything = [position.key for position, _ in messages(PLAIN)]
    plain = wanted(log, PLAIN, ALL, limit=5, looks=3)
    assert (plain.limit, plain.until) == (3, ALL.until)
    assert keys_of(log, plain.table, dict(plain.bindings)) == everything[:3]

    of_asset = Selection(filters=Filters(asset_id=ASSETS))
    expected = [position.key for position, _ in messages(of_asset)][:2]
    filtered = wanted(log, of_asset, ALL, limit=2, looks=10_000)
    assert filtered.until == expected[-1] and filtered.limit > 2
    assert keys_of(log, filtered.table, dict(filtered.bindings)) == expected

    nothing = wanted(log, of_asset, Span(0, 1), limit=2, looks=10_000)
    assert (nothing.until, nothing.limit) == (1, 1)


def test_a_stretch_begins_after_a_key(log: apsw.Connection) -> None:
    everything = [position.key for position, _ in messages(PLAIN)]
    span = Span(everything[0], everything[3])
    source = stretch("transactions", span, 10, columns="position")
    assert keys_of(log, source.table, dict(source.bindings)) == everything[1:4]


def keys_of(
    log: apsw.Connection, table: str, bindings: dict[str, object]
) -> list[object]:
    found = log.execute(f"SELECT position FROM {table}", bindings)
    return [key for (key,) in found.fetchall()]
