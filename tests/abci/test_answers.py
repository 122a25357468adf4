"""Answers as bytes, in every dialect."""

from __future__ import annotations

import pytest

from tests.abci.engine_side import DIALECTS, AnswerReader, answer_kind
from tests.abci.vectors import RESPONSES, Vector
from trio_stream.abci import abci_pb2 as pb
from trio_stream.abci import messages as m
from trio_stream.abci import snapshot_messages as s
from trio_stream.abci.answers import KeyShape, encode_answer
from trio_stream.abci.errors import LocalProtocolError
from trio_stream.abci.framing import FrameReader, Framing, frame

KEY = bytes(range(32))
HASH = b"0123456789abcdef"
TIME = m.Time(0, 0)
UPDATE = m.ValidatorUpdate("ed25519", KEY, 5)

CHECK = m.CheckTx(b"abc")
DELIVER = m.DeliverTx(b"abc")
SNAPSHOT = s.Snapshot(5, 1, 2, b"\x01", b"about")
OLDER = s.Snapshot(4, 1, 300, b"\x02", b"")
OFFER = s.OfferSnapshot(SNAPSHOT, HASH)
LOAD = s.LoadSnapshotChunk(5, 1, 1)
APPLY = s.ApplySnapshotChunk(1, b"piece", "p")
FINALIZE = m.FinalizeBlock((), 1, TIME)
SHAPES = {
    **dict.fromkeys(("T31", "T32", "T33"), KeyShape.NAMED),
    **dict.fromkeys(("T34", "C37", "C38", "C39"), KeyShape.ONEOF),
    "C10": KeyShape.FLAT,
}

SAID: dict[str, tuple[m.Request, m.Answer]] = {
    "Exception": (m.Commit(), m.Failure("boom")),
    "Echo": (m.Echo("hello"), m.EchoAnswer("hello")),
    "Flush": (m.Flush(), m.Done()),
    "Info.Fresh": (m.Info("", ""), m.InfoAnswer("", 0, b"")),
    "SetOption": (m.SetOption(), m.Done()),
    "InitChain": (m.InitChain(TIME, "", (), b"", 1, True), m.InitChainAnswer(b"")),
    "CheckTx": (CHECK, m.TxResult(0)),
    "CheckTx.Reject": (CHECK, m.TxResult(1, "bad")),
    "BeginBlock": (m.BeginBlock("", 1, TIME), m.Done()),
    "DeliverTx": (DELIVER, m.TxResult(0)),
    "DeliverTx.Invalid": (DELIVER, m.TxResult(1, "bad")),
    "EndBlock": (m.EndBlock(1), m.EndBlockAnswer()),
    "EndBlock.Validators": (m.EndBlock(1), m.EndBlockAnswer((UPDATE,))),
    "Commit": (m.Commit(), m.CommitAnswer(HASH)),
    "ListSnapshots": (s.ListSnapshots(), s.SnapshotsAnswer(())),
    "ListSnapshots.Two": (s.ListSnapshots(), s.SnapshotsAnswer((SNAPSHOT, OLDER))),
    "OfferSnapshot": (OFFER, s.OfferAnswer(s.OfferVerdict.ABORT)),
    "OfferSnapshot.Accept": (OFFER, s.OfferAnswer(s.OfferVerdict.ACCEPT)),
    "LoadSnapshotChunk": (LOAD, s.ChunkAnswer(b"")),
    "LoadSnapshotChunk.Some": (LOAD, s.ChunkAnswer(b"piece")),
    "ApplySnapshotChunk": (APPLY, s.ApplyAnswer(s.ChunkVerdict.ABORT)),
    "ApplySnapshotChunk.Retry": (
        APPLY,
        s.ApplyAnswer(s.ChunkVerdict.RETRY, (0, 200), ("p", "q")),
    ),
    "PrepareProposal": (
        m.PrepareProposal(99, ()),
        m.PrepareProposalAnswer((b"abc", b"de")),
    ),
    "ProcessProposal": (m.ProcessProposal(), m.Done()),
    "ExtendVote": (m.ExtendVote(), m.Done()),
    "VerifyVoteExtension": (m.VerifyVoteExtension(), m.Done()),
    "FinalizeBlock": (
        FINALIZE,
        m.FinalizeBlockAnswer((m.TxResult(0), m.TxResult(1, "bad")), HASH),
    ),
    "FinalizeBlock.Validators": (FINALIZE, m.FinalizeBlockAnswer((), HASH, (UPDATE,))),
    "InsertTx": (m.InsertTx(), m.Done()),
    "ReapTxs": (m.ReapTxs(), m.Done()),
}

# What an application could answer and ours never does.
NEVER_SAID = {
    "Info": pb.Response(
        info=pb.InfoResponse(
            data="d",
            version="v",
            app_version=1,
            last_block_height=7,
            last_block_app_hash=HASH,
        )
    ),
    "ProcessProposal.Reject": pb.Response(
        process_proposal=pb.VerdictResponse(verdict=2)
    ),
    "InsertTx.Reject": pb.Response(insert_tx=pb.TxResult(code=1)),
    "InsertTx.Retry": pb.Response(insert_tx=pb.TxResult(code=32000)),
    "ReapTxs.Two": pb.Response(reap_txs=pb.TxsResponse(txs=[b"abc", b"de"])),
}


@pytest.mark.parametrize("vector", RESPONSES, ids=str)
def test_every_recorded_answer_is_written_byte_for_byte(vector: Vector) -> None:
    name = ".".join(filter(None, (vector.kind, vector.variant)))
    if name in SAID:
        request, answer = SAID[name]
        written = encode_answer(
            request,
            answer,
            framing=vector.framing,
            keys=SHAPES[vector.dialect],
            hash_in_commit=not DIALECTS[vector.dialect].finalizes,
        )
    elif name in NEVER_SAID:
        written = frame(NEVER_SAID[name].SerializeToString(), vector.framing)
    else:
        # InitChain with validators, Query with a value, Commit with a height to
        # retain: the schema has their bytes, at least as fields it does not know.
        assert name in ("InitChain.Validators", "Query", "Commit.Retain")
        reader = FrameReader(limit=1000, framing=vector.framing)
        reader.feed(vector.data)
        message = reader.next_frame()
        assert message is not None
        again = pb.Response.FromString(message)
        written = frame(again.SerializeToString(), vector.framing)

    assert written == vector.data


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("name", SAID)
def test_an_engine_reads_the_answer_that_was_sent(framing: Framing, name: str) -> None:
    request, answer = SAID[name]
    reader = AnswerReader(framing)

    reader.feed(
        encode_answer(
            request, answer, framing=framing, keys=KeyShape.ONEOF, hash_in_commit=True
        )
    )

    kind = "exception" if name == "Exception" else answer_kind(request)
    assert reader.next_answer() == (kind, answer)
    assert reader.next_answer() is None


def test_half_a_surrogate_pair_does_not_stop_an_answer() -> None:
    reader = AnswerReader(Framing.SIGNED)

    reader.feed(
        encode_answer(
            CHECK,
            m.TxResult(1, "\ud800"),
            framing=Framing.SIGNED,
            keys=KeyShape.ONEOF,
            hash_in_commit=True,
        )
    )

    assert reader.next_answer() == ("check_tx", m.TxResult(1, "\\ud800"))


def test_a_log_with_code_zero_is_sent() -> None:
    reader = AnswerReader(Framing.UNSIGNED)

    reader.feed(
        encode_answer(
            CHECK,
            m.TxResult(0, "note"),
            framing=Framing.UNSIGNED,
            keys=KeyShape.ONEOF,
            hash_in_commit=True,
        )
    )

    assert reader.next_answer() == ("check_tx", m.TxResult(0, "note"))


@pytest.mark.parametrize(
    ("shape", "public"),
    [
        (KeyShape.NAMED, pb.PublicKey(first=b"secp256k1", second=b"k")),
        (KeyShape.ONEOF, pb.PublicKey(second=b"k")),
    ],
)
def test_a_secp256k1_key_is_written_in_its_place(
    shape: KeyShape, public: pb.PublicKey
) -> None:
    update = m.ValidatorUpdate("secp256k1", b"k", 1)

    written = encode_answer(
        m.EndBlock(1),
        m.EndBlockAnswer([update]),
        framing=Framing.SIGNED,
        keys=shape,
        hash_in_commit=True,
    )

    assert public.SerializeToString() in written


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (CHECK, m.Done()),
        (m.Flush(), m.TxResult(0)),
        (m.InsertTx(), m.TxResult(0)),
        (m.Commit(), m.Done()),
        (m.Info("", ""), m.CommitAnswer(b"")),
        (m.Unknown(99), m.Done()),
        (s.ListSnapshots(), m.Done()),
        (OFFER, s.ApplyAnswer(s.ChunkVerdict.ACCEPT)),
        (
            m.EndBlock(1),
            m.EndBlockAnswer([m.ValidatorUpdate("bls12381", b"k", 1)]),
        ),
    ],
    ids=repr,
)
def test_an_answer_of_the_wrong_kind_is_our_own_fault(
    request_: m.Request, answer: m.Answer
) -> None:
    with pytest.raises(LocalProtocolError):
        encode_answer(
            request_,
            answer,
            framing=Framing.SIGNED,
            keys=KeyShape.ONEOF,
            hash_in_commit=True,
        )
