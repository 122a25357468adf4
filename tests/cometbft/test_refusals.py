from __future__ import annotations

import pytest

from tests.cometbft.recordings import ALL, SDK, answer
from trio_stream.cometbft import errors
from trio_stream.cometbft.errors import Refusal
from trio_stream.cometbft.refusals import METHOD_NOT_FOUND, refusal

FUTURE = "height 26993991 must be less than or equal to the current blockchain height 26993989"
BROKEN = (
    "failed to unmarshall FinalizeBlockResponse (also tried as legacy) for height 7"
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (FUTURE, errors.HeightInFuture),
        ("height must be greater than 0, but got 0", errors.HeightNotPositive),
        ("height 5 is not available, lowest height is 100", errors.Pruned),
        ("could not find results for height #31454", errors.ResultsNotThere),
        ("node is not persisting abci responses", errors.ResultsDiscarded),
        ("node is not persisting finalize block responses", errors.ResultsDiscarded),
        (BROKEN, errors.BrokenRecord),
        (
            "batch request exceeds maximum (10) allowed number of requests",
            errors.BatchTooLong,
        ),
        ("max_subscriptions_per_client 5 reached", errors.TooManySubscriptions),
        ("max_subscription_clients 100 reached", errors.TooManySubscriptions),
        ("tx (AB) not found", Refusal),
        ("", Refusal),
    ],
)
def test_a_text_is_named(text: str, kind: type[Refusal]) -> None:
    refused = refusal(text, -32603)
    assert type(refused) is kind
    assert (refused.text, refused.code) == (text, -32603)


def test_the_numbers_in_it_are_kept() -> None:
    future = refusal(FUTURE)
    assert isinstance(future, errors.HeightInFuture)
    assert future.tip == 26_993_989
    old = refusal("Height must be less than or equal to the current blockchain height")
    assert isinstance(old, errors.HeightInFuture)
    assert old.tip is None
    for text in (
        "height 5 is not available, lowest height is 100",
        "height 5 is not available, blocks pruned at height 100",
    ):
        pruned = refusal(text)
        assert isinstance(pruned, errors.Pruned)
        assert pruned.lowest == 100
    batch = refusal("batch request exceeds maximum (10) allowed number of requests")
    assert isinstance(batch, errors.BatchTooLong)
    assert batch.limit == 10


def test_a_method_that_is_not_there() -> None:
    assert type(refusal("Method not found", METHOD_NOT_FOUND)) is errors.UnknownMethod


@pytest.mark.parametrize("name", ALL)
def test_what_nodes_said(name: str) -> None:
    sign = "_height_" if name in SDK else "?height="
    with pytest.raises(errors.HeightInFuture):
        answer(name, f"block{sign}99999999")
    with pytest.raises(errors.HeightNotPositive):
        answer(name, f"block_results{sign}0" if name in SDK else "block?height=0")
