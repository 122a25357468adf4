"""A short run of the program that kills the daemon, and what it would notice."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from scripts.chaos import compare, main, run_chaos
from scripts.chaos_clients import KnownBlock, Wish
from tests.history import accepted_of
from tests.ledger.chains import ALICE

FACTS = [(1, "a"), (2, "b"), (2, "c"), (4, "d")]


def test_equal_messages_do_not_differ() -> None:
    assert compare(FACTS, list(FACTS)) == ""


@pytest.mark.parametrize(
    ("received", "said"),
    [
        (FACTS[:3], "1 of 4 lost, 0 repeated, 0 never owed"),
        ([*FACTS[:2], *FACTS[1:]], "0 of 4 lost, 1 repeated, 0 never owed"),
        ([*FACTS, (5, "e")], "0 of 4 lost, 0 repeated, 1 never owed"),
        ([FACTS[1], FACTS[0], *FACTS[2:]], "0 of 4 lost, 0 repeated, 0 never owed"),
    ],
)
def test_lost_repeated_strange_and_reordered_are_noticed(
    received: list[tuple[int, object]], said: str
) -> None:
    assert compare(FACTS, received).startswith(said)


def test_what_a_subscriber_is_owed_follows_from_the_blocks() -> None:
    documents = [None, *accepted_of(2), None]
    blocks = [KnownBlock(1, ()), KnownBlock(2, documents)]
    created, moved, *others = accepted_of(2)
    assert moved["operation"] == "TRANSFER"
    everything = [(2, each["id"]) for each in accepted_of(2)]
    assert list(Wish().owed(blocks)) == everything
    for filters, owed in (
        ({"asset_id": created["id"]}, everything[:1]),
        ({"operation": "CREATE"}, [everything[0], *everything[2:]]),
        ({"public_key": ALICE.public, "operation": "TRANSFER"}, everything[1:2]),
    ):
        assert list(Wish(filters=filters).owed(blocks)) == owed
    ids = tuple(each["id"] for each in accepted_of(2))
    assert list(Wish("valid_blocks").owed(blocks)) == [(2, ids)]
    refused = [(2, 0), (2, len(documents) - 1)]
    assert list(Wish("refused_transactions").owed(blocks)) == refused


@pytest.mark.slow
async def test_nothing_is_lost_repeated_or_reordered_when_the_daemon_is_killed(
    tmp_path: Path,
) -> None:
    with trio.fail_after(600):
        said = await run_chaos(tmp_path, seed=7, kills=5, clients=14)
    assert "none was lost, none repeated, none out of order" in said


def test_an_unknown_engine_is_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--engine", "cometbft-0.38", "--seed", "1"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(
        "chaos: 'cometbft-0.38' is neither a program nor one of"
    )
    assert printed.out == "seed 1\n"
