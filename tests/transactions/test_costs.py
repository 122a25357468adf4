"""The cost of judging a transaction is known before it is judged."""

from __future__ import annotations

import pytest

from scripts.bench.dear_transactions import dear_create, dear_rsa
from scripts.signing import encode
from tests.ledger.chains import new_engine
from tests.transactions.documents import ALICE
from trio_stream.abci.messages import CheckTx, TxResult
from trio_stream.engine.broadcast import TRANSACTION_BYTES
from trio_stream.transactions import costs
from trio_stream.transactions.costs import BUDGET, check_cost, judging_cost
from trio_stream.transactions.errors import TooCostly
from trio_stream.transactions.fulfillments import (
    Ed25519,
    Fulfillment,
    Preimage,
    Threshold,
)
from trio_stream.transactions.model import Input, Link, parse

MESSAGE = b"m" * 32


def signature(message: bytes = MESSAGE) -> Ed25519:
    return Ed25519(bytes(ALICE.secret.verify_key), ALICE.sign(message))


def test_the_most_expensive_costs_what_its_signatures_cover() -> None:
    raw = dear_create(ALICE, signatures=2500, prefix_bytes=250_000, real=False)
    assert len(raw) <= TRANSACTION_BYTES
    cost = judging_cost(parse(raw))
    assert cost == pytest.approx(2500 * (60 + 250_000 * 0.004), rel=0.1)
    with pytest.raises(TooCostly, match=r"about 2[67]\d\d ms, and 150 ms are allowed"):
        check_cost(parse(raw))


def test_large_keys_cost_the_square_of_their_size() -> None:
    few = judging_cost(parse(dear_rsa(ALICE, keys=4, bits=16_384)))
    assert judging_cost(parse(dear_rsa(ALICE, keys=8, bits=16_384))) == pytest.approx(
        2 * few, rel=0.01
    )
    assert judging_cost(parse(dear_rsa(ALICE, keys=16, bits=4096))) == pytest.approx(
        few / 4, rel=0.01
    )
    with pytest.raises(TooCostly):
        check_cost(parse(dear_rsa(ALICE, keys=100, bits=16_384)))


def test_what_verifies_nothing_costs_next_to_nothing_and_a_threshold_its_parts() -> (
    None
):
    preimages: list[Fulfillment] = [Preimage(b"")] * 50

    def cost(fulfillment: Fulfillment) -> int:
        transaction = parse(dear_create(ALICE, signatures=1, prefix_bytes=10))
        inputs = (Input((), None, fulfillment, MESSAGE),)
        raw = b"x" * (costs.CHEAP_BYTES + 1)
        return judging_cost(transaction._replace(inputs=inputs, raw=raw))

    assert cost(Preimage(b"")) == 2
    assert cost(Threshold(tuple(preimages), ())) == 102
    assert cost(Threshold((signature(), *preimages), ())) == 162


def test_all_transfers_of_plain_signatures_that_the_node_takes_are_within_the_budget() -> (
    None
):
    link = {"transaction_id": "a" * 64, "output_index": 0}
    plain = "x" * 136
    one = {
        "owners_before": [ALICE.public],
        "fulfills": link,
        "fulfillment": plain,
    }
    most = TRANSACTION_BYTES // (len(encode(one)) + 2)
    inputs = (Input((), Link("a" * 64, 0), signature(), MESSAGE),) * most
    raw = encode({"a": "x" * costs.CHEAP_BYTES})
    transaction = parse(dear_create(ALICE, signatures=1, prefix_bytes=10))
    transaction = transaction._replace(inputs=inputs, raw=raw)
    assert most > 2000
    assert BUDGET * 0.8 < judging_cost(transaction) <= BUDGET


def test_what_is_small_or_nothing_costs_nothing() -> None:
    assert judging_cost(None) == 0
    check_cost(None)
    small = dear_create(ALICE, signatures=30, prefix_bytes=1, real=False)
    assert len(small) < costs.CHEAP_BYTES and judging_cost(parse(small)) == 0


def test_a_check_refuses_by_name_and_verifies_nothing(verified: list[bytes]) -> None:
    engine = new_engine()
    dear = dear_create(ALICE, signatures=500, prefix_bytes=200_000, real=False)
    verified.clear()
    answer = engine.ask(CheckTx(dear))
    assert isinstance(answer, TxResult) and answer.code == 1
    assert answer.log.startswith("TooCostly: verifying it would take about 4")
    engine.application.prepare([CheckTx(dear)] * 2)
    assert verified == []
    known = engine.application.recent_checks.newest(parse(dear).id)
    assert known is not None and known.refused is not None
    assert known.refused.error == "TooCostly"


def test_in_a_block_it_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "BUDGET", 10)
    dear = dear_create(ALICE, signatures=50, prefix_bytes=10_000)
    engine = new_engine()
    answer = engine.ask(CheckTx(dear))
    assert isinstance(answer, TxResult) and answer.code == 1
    codes, _ = engine.block(dear, dear)
    assert codes == [0, 1]
