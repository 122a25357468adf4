from __future__ import annotations

import pytest

from tests.jsonrpc.test_subscriptions import TX, add
from trio_stream.cometbft.query_parser import parse
from trio_stream.jsonrpc import standings as under_test
from trio_stream.jsonrpc.standings import Standings
from trio_stream.jsonrpc.subscriptions import Subscriptions


def test_what_all_clients_want() -> None:
    all = Standings[str]()
    one, other = Subscriptions(), Subscriptions()
    with all.present("one"):
        with all.present("other"):
            assert list(all) == ["one", "other"] and len(all) == 2
            add(one, TX)
            all.changed("one", one)
            assert not all.is_common(one.profile)
            add(other, TX)
            all.changed("other", other)
            assert all.is_common(one.profile)
            add(other, "a.b=1")
            all.changed("other", other)
            assert not all.is_common(one.profile)
            assert (all.subscriptions, len(all.queries)) == (3, 2)
        assert (all.subscriptions, len(all.queries)) == (1, 1)
        one.clear()
        all.changed("one", one)
        assert all.queries == []
    assert len(all) == 0


def test_there_are_so_many_queries_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "MOST_QUERIES", 1)
    all, one = Standings[str](), Subscriptions()
    with all.present("one"):
        add(one, TX)
        all.changed("one", one)
        assert all.has_room_for(parse(TX))
        assert not all.has_room_for(parse("a.b=1"))


def test_there_are_so_many_conditions_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "MOST_CONDITIONS", 3)
    all, one = Standings[str](), Subscriptions()
    with all.present("one"):
        add(one, "a.b=1 AND a.c=1")
        all.changed("one", one)
        assert all.has_room_for(parse("a.b=1 AND a.c=1"))
        assert all.has_room_for(parse("a.b=1"))
        assert not all.has_room_for(parse("a.b=2 AND a.c=2"))
    assert all.has_room_for(parse("a.b=2 AND a.c=2"))


def test_equal_queries_are_one_object() -> None:
    all = Standings[str]()
    one, other = Subscriptions(), Subscriptions()
    with all.present("one"), all.present("other"):
        for name, each in (("one", one), ("other", other)):
            add(each, TX)
            all.changed(name, each)
        assert next(iter(one)).query is next(iter(other)).query
        queries = all.queries
        assert len(queries) == 1 and queries[0] is next(iter(one)).query
        one.clear()
        all.changed("one", one)
        assert all.queries is queries
        add(one, "a.b=1")
        all.changed("one", one)
        assert queries == [parse(TX)] and len(all.queries) == 2
