"""Answers without the state machine, and how requests are cut into hops."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.abci import messages as m
from trio_stream.abci import snapshot_messages as s
from trio_stream.abci.routine import (
    CHECKS_A_HOP,
    Hop,
    Priority,
    routine_answer,
    split_into_hops,
)

TIME = m.Time(0, 0)
CHECK = m.CheckTx(b"")
BEGIN = m.BeginBlock("", 1, TIME)
DELIVER = m.DeliverTx(b"")
END = m.EndBlock(1)
COMMIT = m.Commit()
FLUSH = m.Flush()
INFO = m.Info("", "")
FINALIZE = m.FinalizeBlock((), 1, TIME)
INIT = m.InitChain(TIME, "", (), b"", 1, True)

DONE = [
    FLUSH,
    m.SetOption(),
    m.Query(),
    m.ProcessProposal(),
    m.ExtendVote(),
    m.VerifyVoteExtension(),
    m.InsertTx(),
    m.ReapTxs(),
]
LIST = s.ListSnapshots()
OFFER = s.OfferSnapshot(s.Snapshot(5, 1, 2, b"", b""), b"")
LOAD = s.LoadSnapshotChunk(5, 1, 0)
APPLY = s.ApplySnapshotChunk(0, b"", "")
OF_STATE = [
    *(INFO, INIT, CHECK, BEGIN, DELIVER, END, COMMIT, FINALIZE),
    *(LIST, OFFER, LOAD, APPLY),
]


@pytest.mark.parametrize("request_", DONE, ids=repr)
def test_a_feature_that_we_lack_needs_no_state(request_: m.Request) -> None:
    assert routine_answer(request_) == m.Done()


@pytest.mark.parametrize("request_", OF_STATE, ids=repr)
def test_the_state_machine_answers_the_rest(request_: m.Request) -> None:
    assert routine_answer(request_) is None


def test_echo_answers_with_the_same_text() -> None:
    assert routine_answer(m.Echo("x")) == m.EchoAnswer("x")


def test_an_unknown_request_is_a_failure() -> None:
    assert routine_answer(m.Unknown(77)) == m.Failure("unknown request, number 77")


@pytest.mark.parametrize(
    ("most", "kept"), [(0, 0), (-1, 0), (4, 0), (5, 1), (135, 1), (136, 2), (1039, 3)]
)
def test_a_proposal_is_cut_at_the_first_that_does_not_fit(most: int, kept: int) -> None:
    txs = (b"abc", b"x" * 128, b"y" * 900)  # 5, 131, 903 with tag and length

    answer = routine_answer(m.PrepareProposal(most, txs))

    assert answer == m.PrepareProposalAnswer(txs[:kept])


@pytest.mark.parametrize(
    ("requests", "sizes"),
    [
        ([], []),
        ([FLUSH, m.Echo("x")], [(None, 2)]),
        ([CHECK] * 3 + [FLUSH], [(Priority.MEMPOOL, 4)]),
        (
            [CHECK] * (CHECKS_A_HOP + 1) + [FLUSH],
            [(Priority.MEMPOOL, CHECKS_A_HOP), (Priority.MEMPOOL, 2)],
        ),
        (
            [CHECK, FLUSH] * (CHECKS_A_HOP + 1),
            [(Priority.MEMPOOL, 2 * CHECKS_A_HOP), (Priority.MEMPOOL, 2)],
        ),
        ([BEGIN, DELIVER, DELIVER, END, FLUSH], [(Priority.CONSENSUS, 5)]),
        ([BEGIN] + [DELIVER] * 500, [(Priority.CONSENSUS, 501)]),
        (
            [FINALIZE, COMMIT, FLUSH, FINALIZE, COMMIT],
            [(Priority.CONSENSUS, 2), (Priority.CONSENSUS, 3)],
        ),
        ([COMMIT, FLUSH], [(Priority.CONSENSUS, 1), (None, 1)]),
        (
            [INFO, INIT, CHECK],
            [(Priority.QUERY, 1), (Priority.CONSENSUS, 1), (Priority.MEMPOOL, 1)],
        ),
        ([LIST, FLUSH, LIST, FLUSH], [(Priority.SERVING, 4)]),
        (
            [LOAD, FLUSH, LOAD, FLUSH],
            [(Priority.SERVING, 1), (Priority.SERVING, 2), (None, 1)],
        ),
        (
            [OFFER, FLUSH, APPLY, FLUSH, APPLY, LIST],
            [(Priority.RESTORING, 3), (Priority.RESTORING, 2), (Priority.SERVING, 1)],
        ),
    ],
)
def test_a_hop_is_one_class_and_not_too_long(
    requests: list[m.Request], sizes: list[tuple[Priority | None, int]]
) -> None:
    hops = list(split_into_hops(requests))

    assert [(hop.priority, len(hop.requests)) for hop in hops] == sizes


@given(st.lists(st.sampled_from([*OF_STATE, *DONE]), max_size=200))
def test_hops_joined_are_the_requests(requests: list[m.Request]) -> None:
    hops: list[Hop] = list(split_into_hops(requests))

    assert list(chain.from_iterable(hop.requests for hop in hops)) == requests
    for hop in hops:
        of_state = [each for each in hop.requests if routine_answer(each) is None]
        assert bool(of_state) is (hop.priority is not None)
        assert len([each for each in of_state if each is CHECK]) <= CHECKS_A_HOP
        assert sum(each in (COMMIT, APPLY, LOAD) for each in of_state) <= 1
