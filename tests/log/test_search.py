"""Text search over a real log: what is found, in which order, and that no text is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.signing import create, encode, transfer
from tests.ledger.chains import ALICE, new_engine
from trio_stream.log import search as log_search
from trio_stream.log.file import open_for_reading
from trio_stream.log.lookups import position_of
from trio_stream.log.reader import LogReader
from trio_stream.log.search import Documents, SearchTooLong, bodies, search
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache

DATA: dict[str, Any] = {
    "bikes": {"kind": "bicycle", "text": "Quick brown bicycles are running"},
    "one": {"text": "the quick fox", "deep": [{"list": ["Déjà vu"]}]},
    "fox": {"text": "foxes, foxes and a FOX"},
    "parts": {"a": "stop", "b": "watch"},
    "german": {"language": "german", "text": "Die Katzen"},
    "numbers": {"fox_name": 12, "bicycle": True},
    "signs": {"text": "snake_case pre-market don't x\0y 日本語"},
}
CREATED = {name: create(ALICE, data=data) for name, data in DATA.items()}
BARE = create(ALICE)
MOVED = transfer(CREATED["one"], ALICE, metadata={"note": "fox moved", "n": 1})
NAMING = create(ALICE, data={"about": BARE["id"]}, metadata={"x": BARE["id"].upper()})
IDS = {each["id"]: name for name, each in CREATED.items()} | {
    BARE["id"]: "bare",
    MOVED["id"]: "moved",
    NAMING["id"]: "naming",
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    """A few documents, in two blocks."""
    with CommitLog.open(tmp_path_factory.mktemp("log")) as log:
        engine = new_engine(store=log)
        codes, _ = engine.block(*map(encode, CREATED.values()))
        more, _ = engine.block(*map(encode, (BARE, MOVED, NAMING)))
        assert not any(codes + more)
        connection = open_for_reading(log.path)
        yield connection
        connection.close()


def found(
    log: apsw.Connection,
    text: str,
    documents: Documents = Documents.ASSETS,
    limit: int = 0,
) -> list[str]:
    positions = search(documents, text, limit, log)
    assert positions is not None
    return [IDS[name] for name, _ in bodies(positions, 1 << 20, log)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("quick", {"bikes", "one"}),
        ("QUICK", {"bikes", "one"}),
        ("déjà", {"one"}),
        ("deja", {"one"}),
        ("DÉJÀ", {"one"}),
        ("bicycle", {"bikes"}),
        ("bicycles", {"bikes"}),
        ("run", {"bikes"}),
        ("fox", {"one", "fox"}),
        ("vu runs", {"one", "bikes"}),
        ("nothing", set()),
        ("12", set()),
        ("true", set()),
        ("text", set()),
        ("snake", set()),
        ("SNAKE_CASE", {"signs"}),
        ("market", {"signs"}),
        ("日本語", {"signs"}),
        ("y", {"signs"}),
        # MongoDB would take the words of this one for German ones.
        ("katze", set()),
        ("katzen", {"german"}),
        # Stop words
        ("the", set()),
        ("are the", set()),
        ("the nothing", set()),
        ("the quick", {"bikes", "one"}),
        # Phrases
        ('"quick fox"', {"one"}),
        ('"the quick"', {"one"}),
        ('"brown quick"', set()),
        ('"quick" fox', {"bikes", "one"}),
        ('"quick fox" bicycle', {"one"}),
        ('"quick" "fox"', {"one"}),
        ('"stop watch"', set()),
        ('"pre market"', {"signs"}),
        ('"the"', set()),
        # Exclusions
        ("quick -fox", {"bikes"}),
        ('fox -"quick fox"', {"fox"}),
        ("quick -fox -bicycle", set()),
        ("-fox", set()),
        ('-"quick fox"', set()),
        ("quick -the", {"bikes", "one"}),
        ("quick - fox", {"bikes", "one", "fox"}),
    ],
)
def test_assets_are_found(text: str, names: set[str], log: apsw.Connection) -> None:
    assert set(found(log, text)) == names


def test_assets_and_metadata_are_searched_apart(log: apsw.Connection) -> None:
    assert found(log, "fox", Documents.METADATA) == ["moved"]
    assert found(log, "moved") == []
    assert found(log, "bicycle", Documents.METADATA) == []


def test_the_best_comes_first_and_the_older_of_equals(log: apsw.Connection) -> None:
    assert found(log, "fox") == ["fox", "one"]
    assert found(log, "stop fox") == ["parts", "fox", "one"]


@pytest.mark.parametrize(
    ("limit", "names"),
    [(0, ["fox", "one"]), (1, ["fox"]), (2, ["fox", "one"]), (9, ["fox", "one"])],
)
def test_a_limit_is_kept(limit: int, names: list[str], log: apsw.Connection) -> None:
    assert found(log, "fox", limit=limit) == names


# Ids


@pytest.mark.parametrize("name", sorted(set(IDS.values()) - {"moved"}))
def test_every_asset_is_found_by_its_id(name: str, log: apsw.Connection) -> None:
    own = next(each for each, other in IDS.items() if other == name)
    mentions = ["naming"] if name == "bare" else []
    for text in (own, own.upper(), f'"{own}"', f"nothing {own}"):
        assert found(log, text) == [name, *mentions]


def test_every_transaction_has_metadata_under_its_id(log: apsw.Connection) -> None:
    for own, name in IDS.items():
        mentions = ["naming"] if name == "bare" else []
        assert found(log, own, Documents.METADATA) == [name, *mentions]


def test_a_transfer_has_no_asset(log: apsw.Connection) -> None:
    assert found(log, MOVED["id"]) == []


def test_an_id_is_a_word_like_others(log: apsw.Connection) -> None:
    one = CREATED["one"]["id"]
    assert set(found(log, f"bicycle {one}")) == {"one", "bikes"}
    assert found(log, f'"quick fox" {one}') == ["one"]
    assert found(log, f'"foxes and" {one}') == ["fox"]
    assert found(log, f'"{one}" "quick fox"') == ["one"]
    assert found(log, f"fox -{one}") == ["fox"]
    assert found(log, f'fox -"{one}"') == ["fox"]
    assert found(log, f"{one} -quick") == []
    assert found(log, f"{one} -{one}") == []
    assert found(log, f"{one} -{BARE['id']}") == ["one"]
    assert found(log, "f" * 64) == []


def test_an_id_does_not_use_up_the_limit_of_others(log: apsw.Connection) -> None:
    fox = CREATED["fox"]["id"]
    assert found(log, f"fox {fox}", limit=2) == ["fox", "one"]
    assert found(log, f"fox {fox}", limit=1) == ["fox"]
    assert found(log, f"fox -{fox}", limit=1) == ["one"]


# Any text


@given(
    st.text(max_size=60)
    | st.text(alphabet="ab\"-*()^:+{}\0\ue000\n'\\ ", max_size=60)
    | st.lists(
        st.sampled_from(
            ["fox", "-fox", '"quick fox"', "AND", "OR", "NOT", "NEAR(", "*", BARE["id"]]
        )
    ).map(" ".join)
)
@settings(max_examples=300)
def test_no_text_is_an_error(log: apsw.Connection, text: str) -> None:
    for documents in Documents:
        search(documents, text, 0, log)


@pytest.mark.parametrize("kind", ["w{} ", "-w{} ", '"w{} x" ', '-"w{} x" ', "{:064x} "])
def test_a_text_may_be_as_long_as_a_request(kind: str, log: apsw.Connection) -> None:
    text = "fox " + "".join(
        kind.format(n) for n in range(16_384 // len(kind.format(9)))
    )
    assert set(found(log, text)) <= {"fox", "one"}


def test_a_search_that_takes_too_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CommitLog.open(tmp_path) as log:
        engine = new_engine(store=log)
        engine.block(
            *(encode(create(ALICE, data={"n": f"fox {n}"})) for n in range(50))
        )
        connection = open_for_reading(log.path)
        monkeypatch.setattr(log_search, "SEARCH_SECONDS", -1)
        monkeypatch.setattr(log_search, "_STEPS", 1)
        assert search(Documents.ASSETS, "fox", 0, connection) is None
        connection.close()


async def test_a_reader_says_of_a_search_that_it_was_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CommitLog.open(tmp_path) as log:
        new_engine(store=log).block(encode(create(ALICE, data={"n": "fox"})))
        reader = LogReader(log.path, CandidateCache(1))
        assert len(await reader.search(Documents.ASSETS, "fox", 0)) == 1
        monkeypatch.setattr(log_search, "SEARCH_SECONDS", -1)
        monkeypatch.setattr(log_search, "_STEPS", 1)
        with pytest.raises(SearchTooLong):
            await reader.search(Documents.ASSETS, "fox", 0)
        await reader.aclose()


# Bodies


def test_bodies_come_in_the_order_asked_and_bounded(log: apsw.Connection) -> None:
    places = [position_of(each["id"], log) for each in (MOVED, BARE, CREATED["fox"])]
    read: Callable[[int], list[tuple[str, bytes]]]
    read = partial(bodies, [at for at in places if at is not None], connection=log)
    assert read(1 << 20) == [
        (each["id"], encode(each)) for each in (MOVED, BARE, CREATED["fox"])
    ]
    assert read(1) == [(MOVED["id"], encode(MOVED))]
    assert len(read(len(encode(MOVED)) + 1)) == 2
    assert bodies([], 1, log) == []
