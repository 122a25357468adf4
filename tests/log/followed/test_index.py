"""What is written down of events, and what is said to be left out."""

from __future__ import annotations

import pytest

from trio_stream.cometbft.events import Attribute, Event
from trio_stream.log.followed import index
from trio_stream.log.followed.index import (
    ALL,
    FLAGGED,
    MAX_BYTES,
    NOTHING,
    Index,
    IndexedKeys,
    fits,
)


def event(kind, *attributes):
    return Event(kind, tuple(Attribute(*each) for each in attributes))


def everything(log):
    """All rows of the index, with names."""
    values = log.connection.execute(
        "SELECT key, sequence, value FROM v1_attributes ORDER BY 2, 1, 3"
    )
    types = log.connection.execute(
        "SELECT type, sequence FROM v1_event_types ORDER BY 2, 1"
    )
    return values.fetchall(), types.fetchall()


def partial(log, table):
    sql = f"SELECT name, partial FROM {table}"
    return dict(log.connection.execute(sql).fetchall())


SOME = [
    event("transfer", ("recipient", "me", True), ("memo", "hello", False)),
    event("transfer", ("recipient", "you", True), ("recipient", "me", True)),
    event("tx"),
]


def test_what_has_its_flag_set_is_found_by_value(log):
    Index(log.connection, FLAGGED).add(7, SOME)
    recipients = [("transfer.recipient", 7, "me"), ("transfer.recipient", 7, "you")]
    assert everything(log) == (recipients, [("transfer", 7), ("tx", 7)])
    assert partial(log, "keys") == {"transfer.recipient": 0, "transfer.memo": 1}
    assert partial(log, "types") == {"transfer": 0, "tx": 0}


def test_all_keys_are_found_by_value_whatever_their_flags_say(log):
    Index(log.connection, ALL).add(7, SOME)
    values, _ = everything(log)
    assert ("transfer.memo", 7, "hello") in values
    assert set(partial(log, "keys").values()) == {0}


def test_only_some_keys(log):
    keys = IndexedKeys(frozenset(["transfer.memo"]))
    Index(log.connection, keys).add(7, SOME)
    types = [("transfer", 7), ("tx", 7)]
    assert everything(log) == ([("transfer.memo", 7, "hello")], types)
    assert partial(log, "keys") == {"transfer.recipient": 1, "transfer.memo": 0}


def test_nothing_at_all(log):
    Index(log.connection, NOTHING).add(7, SOME)
    assert everything(log) == ([], [])
    assert partial(log, "types") == {"transfer": 1, "tx": 1}
    assert not IndexedKeys(nothing=True).take("a.b", Attribute("b", "", True))


def test_a_key_that_was_once_left_out_stays_partial(log):
    Index(log.connection, FLAGGED).add(7, [event("a", ("b", "1", True))])
    assert partial(log, "keys") == {"a.b": 0}
    second = Index(log.connection, FLAGGED)
    second.add(8, [event("a", ("b", "1", True))])
    second.add(9, [event("a", ("b", "1", False))])
    second.add(10, [event("a", ("b", "1", True))])
    assert partial(log, "keys") == {"a.b": 1}
    assert [key for _, key, _ in everything(log)[0]] == [7, 8, 10]


def test_a_key_has_its_flag_or_not_within_one_event(log):
    some = event("a", ("b", "1", True), ("b", "2", False), ("b", "1", True))
    written = Index(log.connection, FLAGGED)
    written.add_all([(7, [some, some]), (8, [some])])
    assert everything(log) == ([("a.b", 7, "1"), ("a.b", 8, "1")], [("a", 7), ("a", 8)])
    assert partial(log, "keys") == {"a.b": 1}


def test_a_key_belongs_to_its_type(log):
    written = Index(log.connection, FLAGGED)
    events = [event("a", ("b.c", "1", True)), event("a.b", ("c", "2", True))]
    events.append(event("c", ("b.c", "3", True)))
    for position in (7, 8):
        written.add(position, events)
    values = [("a.b.c", "1"), ("a.b.c", "2"), ("c.b.c", "3")]
    assert everything(log)[0] == [
        (key, position, value) for position in (7, 8) for key, value in values
    ]


def test_a_long_value_is_a_mark(log):
    longest, longer = "x" * MAX_BYTES, "y" * (MAX_BYTES + 1)
    attributes = ("b", longest, True), ("b", longer, True), ("b", "\ud800", True)
    Index(log.connection, FLAGGED).add(7, [event("a", *attributes)])
    assert everything(log)[0] == [("a.b", 7, longest)]
    sql = "SELECT value FROM attributes WHERE typeof(value) = 'blob'"
    assert log.connection.execute(sql).fetchall() == [(b"",)]


def test_long_names_and_empty_ones_are_not_in_it(log):
    long = "n" * MAX_BYTES
    events = [
        event(long + "n", ("b", "1", True)),
        event(long, ("b", "1", True)),
        event("\ud800", ("b", "1", True)),
        event("", ("b", "1", True)),
        event("a", ("", "1", True)),
    ]
    Index(log.connection, FLAGGED).add(7, events)
    assert everything(log) == ([], [("", 7), ("a", 7), (long, 7)])


@pytest.mark.parametrize("keys", [FLAGGED, NOTHING, IndexedKeys(frozenset("a.b"))])
def test_all_is_removed_under_any_setting(log, keys):
    long = "y" * (MAX_BYTES + 1)
    events = [*SOME, event("a", ("b", long, True)), event(long, ("b", "1", True))]
    events.append(event("n" * MAX_BYTES, ("b", "1", True)))
    Index(log.connection, FLAGGED).add(7, events)
    Index(log.connection, FLAGGED).add(8, SOME)
    Index(log.connection, keys).remove(7, events)
    assert {at for rows in everything(log) for _, at, *_ in rows} == {8}
    sql = "SELECT count(*) FROM attributes WHERE position = 7"
    assert log.connection.execute(sql).fetchall() == [(0,)]


def test_names_that_were_rolled_back_are_written_again(log):
    written = Index(log.connection, FLAGGED)
    log.connection.execute("BEGIN")
    written.add(7, SOME)
    log.connection.execute("ROLLBACK")
    written.forget()
    written.add(7, SOME)
    assert partial(log, "types") == {"transfer": 0, "tx": 0}


def test_few_names_are_remembered(log, monkeypatch):
    monkeypatch.setattr(index, "MAX_REMEMBERED", 2)
    written = Index(log.connection, FLAGGED)
    for at in range(20):
        written.add(at, [event(f"type{at % 5}")])
    assert len(everything(log)[1]) == 20
    attributes = [(f"key{at}", "1", at % 2 == 0) for at in range(9)]
    for at in range(20, 23):
        written.add(at, [event("type", *attributes), event("other", *attributes)])
    assert len(everything(log)[0]) == 3 * 2 * 5
    assert partial(log, "keys")["type.key1"] == 1


def test_bytes_count_and_not_characters():
    assert fits("ä" * (MAX_BYTES // 2))
    assert not fits("ä" * (MAX_BYTES // 2 + 1))
    assert fits("")
