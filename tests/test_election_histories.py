"""Generated histories of elections and votes, however they are cut into blocks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.signing import Document, Key, create, encode, transfer
from tests.election_records import Records
from tests.ledger.chains import ALICE, BOB, CAROL, Engine, new_engine
from tests.voting import GENESIS, KEYS, NEWCOMER, SET, election, migration, vote
from trio_stream.log.file import FILE_NAME
from trio_stream.log.writer import CommitLog
from trio_stream.transactions import base58
from trio_stream.transactions.elections import Validator, address_of

EVERYBODY = [*KEYS, NEWCOMER, ALICE]
BY_NAME = {key.public: key for key in EVERYBODY}

Block = list[Document]

opening = st.tuples(
    st.just("open"),
    st.sampled_from(EVERYBODY),
    # Fatal ones too, as a block may hold them.
    st.sampled_from([0, 0, 1, 3, 9, 12, -1, 2.0]),
    st.sampled_from(KEYS),
)
moving = st.tuples(st.just("move"), st.sampled_from(KEYS))
voting = st.tuples(
    st.just("vote"),
    st.integers(0, 2),
    st.sets(st.sampled_from(range(len(EVERYBODY))), min_size=1),
    st.sampled_from(["all", "all", "all", "half", "keeps", "delegates"]),
)
other = st.tuples(st.just("other"), st.sampled_from([ALICE, BOB]))
ending = st.tuples(st.just("end"))
END = ("end",)


@st.composite
def campaigns(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Elections that most likely conclude, at once or one after the other."""
    opened = draw(st.lists(st.one_of(opening, opening, moving), min_size=1, max_size=3))
    steps: list[tuple[Any, ...]] = [*opened, END]
    for back in draw(st.permutations(range(len(opened)))):
        voters = set(draw(st.permutations(range(4)))[: draw(st.integers(2, 4))])
        steps.append(("vote", back, voters | {4, 5}, "all"))
        steps += draw(st.sampled_from([[], [END], [END], [END, END]]))
    return steps


steps = st.one_of(opening, moving, voting, voting, voting, other, ending, ending)
programs = st.lists(
    st.one_of(campaigns(), campaigns(), st.lists(steps, max_size=8)), max_size=6
).map(lambda parts: [step for part in parts for step in part])


class Writer:
    """Writes the transactions of a program; elections are for the validators of their time."""

    def __init__(self) -> None:
        self._opened: list[Document] = []
        self._kept: dict[tuple[str, str], Document] = {}
        self._number = 0

    def write(self, step: tuple[Any, ...], validators: Sequence[Validator]) -> Block:
        self._number += 1
        match step:
            case ("open", candidate, power, proposer):
                made = election(
                    candidate, power=power, proposer=proposer, **self._how(validators)
                )
                self._opened.append(made)
                return [made]
            case ("move", proposer):
                made = migration(proposer=proposer, **self._how(validators))
                self._opened.append(made)
                return [made]
            case ("vote", back, voters, manner):
                if len(self._opened) <= back:
                    return []
                opened = self._opened[-1 - back]
                keys = [EVERYBODY[each] for each in sorted(voters)]
                return [v for key in keys for v in self._votes(opened, key, manner)]
            case ("other", key):
                made = create(key, metadata={"n": self._number})
                # A vote that is none, on what is no election.
                return [made, vote(made, key)] if self._number % 2 else [made]
        return []

    def _how(self, validators: Sequence[Validator]) -> dict[str, Any]:
        tokens = [(base58.encode(each.key), each.power) for each in validators]
        return {"recipients": tokens, "seed": str(self._number)}

    def _votes(self, opened: Document, voter: Key, manner: str) -> Iterable[Document]:
        if not any(voter.public in each["public_keys"] for each in opened["outputs"]):
            return
        spent = self._kept.pop((opened["id"], voter.public), None)
        how: dict[str, Any] = {"metadata": {"n": self._number}}
        address = address_of(opened["id"])
        if manner == "half":
            source = spent or opened
            (amount,) = {int(each["amount"]) for each in source["outputs"][:1]}
            how["recipients"] = [(address, max(amount // 2, 1)), (CAROL, amount)]
        if manner == "keeps":
            how["keeps"] = True
        if manner == "delegates":
            index = [each["public_keys"] for each in opened["outputs"]].index(
                [voter.public]
            )
            asset = {**opened, "operation": "CREATE"}
            yield (spent := transfer(asset, voter, output_index=index))
        made = vote(opened, voter, spent=spent, **how)
        if manner == "keeps":
            self._kept[opened["id"], voter.public] = made
        yield made


def begun(*, store: Any = None, whole: bool = False) -> Engine:
    engine = new_engine(store=store, whole=whole)
    if engine.application.height == 0:
        engine.init_chain(
            validators=GENESIS, app_state=b'{"rules": 1, "start_hash": "empty"}'
        )
    return engine


def blocks_of(program: Sequence[tuple[Any, ...]]) -> list[Block]:
    """The program's blocks; what it opens is for the validators that are newest by then."""
    engine, writer = begun(), Writer()
    blocks: list[Block] = [[]]
    for step in [*program, END]:
        if step == END:
            engine.block(*map(encode, blocks[-1]))
            blocks.append([])
            if engine.application.ended:
                break
        else:
            blocks[-1] += writer.write(step, engine.memory.validators())
    return blocks[:-1]


def taken(engine: Engine, blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks up to the one with which the chain ends, if it does: by a migration."""
    for block in blocks:
        if engine.application.ended is None:
            yield block


def cut_anew(blocks: Sequence[Block], draw: Callable[[], int]) -> list[Block]:
    """The same transactions in the same order, in other blocks."""
    left = [each for block in blocks for each in block]
    cut = []
    while left:
        size = draw()
        cut.append(left[:size])
        left = left[size:]
    return cut


cuts = st.lists(st.integers(0, 7), min_size=1).filter(any)


def sizes(numbers: Sequence[int]) -> Callable[[], int]:
    turns = 0

    def draw() -> int:
        nonlocal turns
        turns += 1
        return numbers[turns % len(numbers)]

    return draw


@settings(max_examples=60)
@given(programs, cuts)
def test_what_is_decided_is_what_the_references_records_decide(
    program: list[tuple[Any, ...]], cut: list[int]
) -> None:
    made = blocks_of(program)
    for blocks in made, cut_anew(made, sizes(cut)):
        engine, records = begun(), Records(SET)
        for block in taken(engine, blocks):
            codes, _ = engine.block(*map(encode, block))
            accepted = [
                each for each, code in zip(block, codes, strict=True) if not code
            ]
            told = records.end_block(accepted)
            assert [(each.key, each.power) for each in engine.updates] == told
        assert [
            (height, {each.key: each.power for each in members})
            for height, members in engine.memory.sets.items()
        ] == records.validators
        assert {
            each.election_id
            for block in engine.memory.blocks
            for each in block.tallies
            if each.concluded
        } == records.concluded()


def verdicts(blocks: Iterable[Block]) -> list[tuple[int, Sequence[Validator]]]:
    """The code of each transaction, and the validators that it was judged by."""
    engine, found = begun(), []
    for block in taken(engine, blocks):
        validators = engine.memory.validators()
        codes, _ = engine.block(*map(encode, block))
        found += [(code, validators) for code in codes]
    return found


@settings(max_examples=60)
@given(programs, cuts)
def test_a_verdict_depends_on_where_blocks_end_only_by_the_newest_validators(
    program: list[tuple[Any, ...]], cut: list[int]
) -> None:
    made = blocks_of(program)
    documents = [each for block in made for each in block]
    judged = zip(documents, verdicts(made), verdicts(cut_anew(made, sizes(cut))))
    for document, (code, validators), (other_code, others) in judged:
        if document["operation"].endswith("_ELECTION") and validators != others:
            # Opened for other validators; what follows may rest on it.
            break
        assert code == other_code


@settings(max_examples=60)
@given(programs.map(lambda program: [e for e in program if e[0] != "open"]), cuts)
def test_while_the_validators_stay_all_verdicts_and_hashes_do(
    program: list[tuple[Any, ...]], cut: list[int]
) -> None:
    made = blocks_of(program)
    again = cut_anew(made, sizes(cut))
    # A migration may end the chain earlier in one of them.
    for (code, _), (other_code, _) in zip(
        verdicts(made), verdicts(again), strict=False
    ):
        assert code == other_code


def everything(home: Path) -> dict[str, list[Any]]:
    connection = apsw.Connection(str(home / FILE_NAME))
    tables = (
        "chain validators blocks transactions bodies outputs keys refused tallies"
    ).split()
    found: dict[str, list[Any]] = {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
        for table in tables
    }
    connection.close()
    return found


@settings(max_examples=15)
@given(programs)
def test_a_log_that_is_reopened_after_every_block_is_the_same(
    program: list[tuple[Any, ...]],
) -> None:
    blocks = blocks_of(program)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        steady, restless = Path(folder, "steady"), Path(folder, "restless")
        engine = begun(store=stack.enter_context(CommitLog.open(steady)))
        memory = begun(whole=True)
        for block in blocks:
            with CommitLog.open(restless) as log:
                other = begun(store=log)
                # Half a block before the crash leaves no trace.
                other.deliver(*map(encode, block))
            with CommitLog.open(restless) as log:
                other = begun(store=log)
                answers = [
                    (*each.block(*map(encode, block)), each.updates)
                    for each in (engine, other, memory)
                ]
                assert answers[0] == answers[1] == answers[2]
                assert log.validators() == list(memory.memory.validators())
        stack.close()
        assert everything(steady) == everything(restless)
