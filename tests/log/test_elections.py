"""How an election stands, in words and numbers of the log; the view that programs read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.signing import Document, create, encode, sign
from tests.ledger.chains import ALICE, CHAIN_ID, TIME, Engine, new_engine
from tests.log.readers import open_reader
from tests.sql_programs import PROGRAMS
from tests.voting import GENESIS, KEYS, NEWCOMER, POWER, SET, election, migration, vote
from trio_stream.ledger.application import Application
from trio_stream.ledger.block import RULES, Chain, Continued
from trio_stream.log.elections import Standing, Successor, standing
from trio_stream.log.file import open_for_reading
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache

JOINS, LEAVES = election(power=5), election(KEYS[3], power=0)
MOVES = migration()
GREATEST = 2**63 - 1


class World:
    """A log, and blocks that are appended to it."""

    def __init__(self, log: CommitLog) -> None:
        self.path = log.path
        self._engine: Engine = new_engine(store=log)
        self._engine.init_chain(validators=GENESIS)

    def block(self, *documents: Document) -> str:
        codes, app_hash = self._engine.block(*map(encode, documents))
        assert not any(codes)
        return app_hash

    def standing(self, election_id: str) -> Standing | None:
        connection = open_for_reading(self.path)
        try:
            return standing(election_id, connection)
        finally:
            connection.close()

    def status(self, document: Document) -> str:
        found = self.standing(document["id"])
        assert found is not None
        return found.status


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with CommitLog.open(tmp_path) as log:
        yield World(log)


def test_it_is_ongoing_until_enough_votes_have_come(world: World) -> None:
    world.block(JOINS)
    begun = Standing("VALIDATOR_ELECTION", 1, 40, 0, None, "ongoing")
    assert world.standing(JOINS["id"]) == begun
    world.block(vote(JOINS, KEYS[0]), vote(JOINS, KEYS[1]))
    assert world.standing(JOINS["id"]) == begun._replace(votes=20)
    world.block(vote(JOINS, KEYS[2]))
    ended = begun._replace(votes=30, concluded_height=3, status="concluded")
    assert world.standing(JOINS["id"]) == ended
    # Votes that come later are counted, and decide nothing.
    world.block(vote(JOINS, KEYS[3]))
    assert world.standing(JOINS["id"]) == ended._replace(votes=40)


def test_it_is_inconclusive_once_the_validators_have_changed(world: World) -> None:
    world.block(JOINS, LEAVES)
    world.block(*(vote(JOINS, key) for key in KEYS[:3]))
    # In the next block it may still conclude.
    assert world.status(LEAVES) == "ongoing"
    world.block()
    assert world.status(LEAVES) == "inconclusive"
    assert world.status(JOINS) == "concluded"


def test_a_migration_that_has_concluded_names_the_chain_that_follows(
    world: World,
) -> None:
    world.block()
    world.block(MOVES)
    found = world.standing(MOVES["id"])
    assert found == Standing("CHAIN_MIGRATION_ELECTION", 2, 40, 0, None, "ongoing")
    app_hash = world.block(*(vote(MOVES, key) for key in KEYS[:3]))
    next_chain = f"{CHAIN_ID}-migrated-at-height-2"
    assert world.standing(MOVES["id"]) == Standing(
        *("CHAIN_MIGRATION_ELECTION", 2, 40, 30, 3, "concluded"),
        Successor(next_chain, app_hash, SET),
    )


def test_a_chain_that_was_migrated_before_is_numbered_anew(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        application = Application(log, CandidateCache(1 << 20), version="0")
        engine = Engine(application, log, whole=True)
        engine.init_chain(
            chain_id="a-migrated-at-height-7-migrated-at-height-9", validators=GENESIS
        )
        engine.block(encode(MOVES))
        engine.block(*(encode(vote(MOVES, key)) for key in KEYS[:3]))
        connection = open_for_reading(log.path)
        found = standing(MOVES["id"], connection)
        connection.close()
    assert found is not None
    assert found.successor is not None
    assert found.successor.chain_id == "a-migrated-at-height-1"


def test_once_another_chain_has_gone_on_nothing_follows(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        world = World(log)
        world.block(MOVES)
        app_hash = world.block(*(vote(MOVES, key) for key in KEYS[:3]))
        end = Continued(2, app_hash, "d" * 64)
        log.begin_chain(Chain("next", RULES, app_hash, 3, TIME, tuple(SET), end))
        found = world.standing(MOVES["id"])
    assert found is not None
    assert (found.status, found.successor) == ("concluded", None)


def test_one_that_was_opened_on_the_chain_before_cannot_conclude(
    tmp_path: Path,
) -> None:
    with CommitLog.open(tmp_path) as log:
        world = World(log)
        world.block(MOVES, JOINS)
        app_hash = world.block(*(vote(MOVES, key) for key in KEYS[:3]))
        end = Continued(2, app_hash, "d" * 64)
        log.begin_chain(Chain("next", RULES, app_hash, 3, TIME, tuple(SET), end))
        # In the next chain's first block it may still conclude.
        assert world.status(JOINS) == "ongoing"
        engine = new_engine(store=log)
        engine.block()
        assert world.status(JOINS) == "inconclusive"
        engine.block(*(encode(vote(JOINS, key)) for key in KEYS[:3]))
        found = world.standing(JOINS["id"])
    assert found is not None
    assert (found.votes, found.concluded_height) == (30, None)


def test_what_is_no_election_has_no_standing(world: World) -> None:
    asset = create(ALICE)
    world.block(asset, JOINS)
    cast = vote(JOINS, KEYS[0])
    world.block(cast)
    for text in (asset["id"], cast["id"], "0" * 64, "", "\ud800", "0" * 10**6):
        assert world.standing(text) is None


async def test_the_reader_says_it(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        World(log).block(JOINS)
        reader = open_reader(log)
        found = await reader.election(JOINS["id"])
        assert await reader.election("0" * 64) is None
        await reader.aclose()
    assert found == Standing("VALIDATOR_ELECTION", 1, 40, 0, None, "ongoing")


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_see_the_same(program: str, world: World) -> None:
    world.block(JOINS, LEAVES, MOVES)
    world.block(*(vote(JOINS, key) for key in KEYS[:3]), vote(LEAVES, KEYS[0]))
    world.block()
    sql = "SELECT * FROM v1_elections ORDER BY sequence"
    found = PROGRAMS[program](world.path, sql, {})
    expected = [(30, 2, "concluded"), (10, None, "inconclusive")]
    expected.append((0, None, "inconclusive"))
    assert found == [
        {
            "sequence": (1 << 26) + index,
            "height": 1,
            "id": document["id"],
            "operation": document["operation"],
            "tokens": 40,
            "votes": votes,
            "concluded_height": height,
            "status": status,
        }
        for index, (document, (votes, height, status)) in enumerate(
            zip((JOINS, LEAVES, MOVES), expected, strict=True)
        )
    ]


@pytest.mark.parametrize("program", PROGRAMS)
def test_sums_over_the_greatest_integer_spoil_no_query(
    program: str, world: World
) -> None:
    # Of two outputs for a key the rules look at the last, and all tokens count.
    great = 9 * 10**18
    tokens = [*((KEYS[0], great) for _ in "12"), *((key, POWER) for key in KEYS)]
    opened = election(NEWCOMER, power=5, recipients=tokens)
    world.block(opened)
    world.block(*(_voted(opened, index) for index in (0, 1)))
    sql = "SELECT tokens, votes FROM v1_elections"
    found = PROGRAMS[program](world.path, sql, {})
    assert found == [{"tokens": GREATEST, "votes": GREATEST}]


def _voted(opened: Document, index: int) -> Document:
    one = {**opened, "outputs": [opened["outputs"][index]]}
    cast = vote(one, KEYS[0])
    cast["inputs"][0]["fulfills"]["output_index"] = index
    return sign(cast, KEYS[0])
