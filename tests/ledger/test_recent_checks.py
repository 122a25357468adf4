"""Which checks are remembered, and for how long."""

from __future__ import annotations

import pytest

from scripts.signing import create, encode
from tests.ledger.chains import ALICE
from trio_stream.ledger.recent_checks import Check, RecentChecks, RefusedCheck
from trio_stream.transactions.candidate import Candidate

DOCUMENTS = [create(ALICE, data={"n": n}) for n in range(4)]
SPENT = RefusedCheck("DoubleSpend", "spent")
FORGED = RefusedCheck("InvalidHash", "not its hash")


def candidate(document: dict[str, object], **changes: object) -> Candidate:
    return Candidate(encode({**document, **changes}), b"")


def own_id(document: dict[str, object]) -> str:
    return str(document["id"])


@pytest.mark.parametrize("refused", [None, SPENT])
def test_the_newest_check_of_an_id_counts(refused: RefusedCheck | None) -> None:
    checks = RecentChecks()
    name = own_id(DOCUMENTS[0])
    assert checks.newest(name) is None
    checks.note(candidate(DOCUMENTS[0]), 7, SPENT)
    checks.note(candidate(DOCUMENTS[0]), 8, refused)
    assert checks.newest(name) == Check(8, refused, True)
    assert checks.newest(own_id(DOCUMENTS[1])) is None


def test_a_check_without_a_readable_id_is_not_remembered() -> None:
    checks = RecentChecks()
    checks.note(Candidate(b"nonsense", b""), 1, FORGED)
    checks.note(candidate(DOCUMENTS[0], id="x"), 1, FORGED)
    assert checks.newest("x") is None


def test_a_false_claim_is_remembered_but_hides_nothing() -> None:
    checks = RecentChecks()
    name = own_id(DOCUMENTS[0])
    false = candidate(DOCUMENTS[1], id=name)
    checks.note(false, 1, FORGED)
    assert checks.newest(name) == Check(1, FORGED, False)
    checks.note(candidate(DOCUMENTS[0]), 2, None)
    checks.note(false, 3, FORGED)
    assert checks.newest(name) == Check(2, None, True)


def test_the_oldest_are_forgotten() -> None:
    checks = RecentChecks(limit=2)
    for document in (*DOCUMENTS[:2], DOCUMENTS[0], DOCUMENTS[2]):
        checks.note(candidate(document), 1, None)
    known = [checks.newest(own_id(each)) is not None for each in DOCUMENTS]
    assert known == [True, False, True, False]


def test_refusals_are_counted_by_error() -> None:
    checks = RecentChecks()
    checks.note(Candidate(b"nonsense", b""), 1, FORGED)
    checks.note(candidate(DOCUMENTS[0]), 1, SPENT)
    checks.note(candidate(DOCUMENTS[0]), 2, SPENT)
    checks.note(candidate(DOCUMENTS[0]), 3, None)
    assert checks.refused == {"InvalidHash": 1, "DoubleSpend": 2}
