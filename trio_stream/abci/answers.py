"""Encodes answers: the bytes of a response, its length included.

One envelope serves all dialects. What still differs is where the app hash goes (with Commit, or
with FinalizeBlock before it) and the shape of a validator's key. Answers that never vary are
encoded once, at import.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

from trio_stream.abci import abci_pb2 as pb
from trio_stream.abci.errors import LocalProtocolError
from trio_stream.abci.framing import Framing, frame
from trio_stream.abci.messages import (
    Answer,
    BeginBlock,
    CheckTx,
    Commit,
    CommitAnswer,
    DeliverTx,
    Done,
    Echo,
    EchoAnswer,
    EndBlock,
    EndBlockAnswer,
    ExtendVote,
    Failure,
    FinalizeBlock,
    FinalizeBlockAnswer,
    Flush,
    Info,
    InfoAnswer,
    InitChain,
    InitChainAnswer,
    InsertTx,
    PrepareProposal,
    PrepareProposalAnswer,
    ProcessProposal,
    Query,
    ReapTxs,
    Request,
    SetOption,
    TxResult,
    ValidatorUpdate,
    VerifyVoteExtension,
)
from trio_stream.abci.snapshot_messages import (
    ApplyAnswer,
    ApplySnapshotChunk,
    ChunkAnswer,
    ListSnapshots,
    LoadSnapshotChunk,
    OfferAnswer,
    OfferSnapshot,
    Snapshot,
    SnapshotsAnswer,
)

_ACCEPT = 1
"""The verdict on a proposal or a vote extension; zero would make the engine panic."""


class KeyShape(enum.Enum):
    """How a validator's key is written."""

    NAMED = enum.auto()
    """The type is a text beside the key, inside `pub_key`: to 0.33."""
    ONEOF = enum.auto()
    """The field inside `pub_key` is the type: 0.34 to 0.40."""
    FLAT = enum.auto()
    """The type is a text beside the key, without `pub_key`: 1.0."""


def encode_answer(
    request: Request,
    answer: Answer,
    *,
    framing: Framing,
    keys: KeyShape,
    hash_in_commit: bool,
) -> bytes:
    """The response to `request`; raises LocalProtocolError if `answer` is of another kind."""
    constant = None
    if type(answer) is Done:
        constant = _DONE[framing].get(type(request))
    elif type(answer) is TxResult and answer.code == 0 and not answer.log:
        constant = _VALID[framing].get(type(request))
    if constant is not None:
        return constant
    response = _response(request, answer, keys, hash_in_commit)
    return frame(response.SerializeToString(), framing)


def _response(
    request: Request, answer: Answer, keys: KeyShape, hash_in_commit: bool
) -> pb.Response:
    match request, answer:
        case _, Failure(error):
            return pb.Response(exception=pb.ExceptionBody(error=_text(error)))
        case CheckTx(), TxResult():
            return pb.Response(check_tx=_tx_result(answer))
        case DeliverTx(), TxResult():
            return pb.Response(deliver_tx=_tx_result(answer))
        case Echo(), EchoAnswer(message):
            return pb.Response(echo=pb.EchoBody(message=message))
        case Info(), InfoAnswer(version, height, app_hash):
            info = pb.InfoResponse(
                version=version,
                last_block_height=height,
                last_block_app_hash=app_hash,
            )
            return pb.Response(info=info)
        case InitChain(), InitChainAnswer(app_hash):
            return pb.Response(init_chain=pb.InitChainResponse(app_hash=app_hash))
        case EndBlock(), EndBlockAnswer(updates):
            body = pb.EndBlockResponse(validator_updates=_validators(updates, keys))
            return pb.Response(end_block=body)
        case FinalizeBlock(), FinalizeBlockAnswer(results, app_hash, updates):
            block = pb.FinalizeBlockResponse(
                tx_results=[_tx_result(result) for result in results],
                validator_updates=_validators(updates, keys),
                app_hash=app_hash,
            )
            return pb.Response(finalize_block=block)
        case Commit(), CommitAnswer(app_hash):
            data = app_hash if hash_in_commit else b""
            return pb.Response(commit=pb.CommitResponse(data=data))
        case PrepareProposal(), PrepareProposalAnswer(txs):
            return pb.Response(prepare_proposal=pb.TxsResponse(txs=txs))
        case ListSnapshots(), SnapshotsAnswer(snapshots):
            listed = pb.ListSnapshotsResponse(snapshots=map(_snapshot, snapshots))
            return pb.Response(list_snapshots=listed)
        case OfferSnapshot(), OfferAnswer(verdict):
            return pb.Response(offer_snapshot=pb.VerdictResponse(verdict=verdict))
        case LoadSnapshotChunk(), ChunkAnswer(chunk):
            loaded = pb.LoadSnapshotChunkResponse(chunk=chunk)
            return pb.Response(load_snapshot_chunk=loaded)
        case ApplySnapshotChunk(), ApplyAnswer(result, refetch, senders):
            applied = pb.ApplySnapshotChunkResponse(
                result=result, refetch_chunks=refetch, reject_senders=senders
            )
            return pb.Response(apply_snapshot_chunk=applied)
    raise LocalProtocolError(
        f"{type(answer).__name__} is not an answer to {type(request).__name__}"
    )


def _snapshot(snapshot: Snapshot) -> pb.Snapshot:
    return pb.Snapshot(**snapshot._asdict())


def _text(text: str) -> str:
    """`text` as protobuf accepts it: half of a surrogate pair becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _tx_result(result: TxResult) -> pb.TxResult:
    if result.code == 0 and not result.log:
        return _ACCEPTED  # a message that takes it in copies it
    return pb.TxResult(code=result.code, log=_text(result.log))


def _validators(
    updates: Iterable[ValidatorUpdate], keys: KeyShape
) -> list[pb.ValidatorUpdate]:
    return [_validator(update, keys) for update in updates]


def _validator(update: ValidatorUpdate, keys: KeyShape) -> pb.ValidatorUpdate:
    match keys, update:
        case KeyShape.FLAT, (key_type, key, power):
            return pb.ValidatorUpdate(
                pub_key_type=key_type, pub_key_bytes=key, power=power
            )
        case KeyShape.NAMED, (key_type, key, power):
            public = pb.PublicKey(first=key_type.encode(), second=key)
        case KeyShape.ONEOF, ("ed25519", key, power):
            public = pb.PublicKey(first=key)
        case KeyShape.ONEOF, ("secp256k1", key, power):
            public = pb.PublicKey(second=key)
        case _:
            # No engine's default parameters allow these, and BigchainDB has none.
            raise LocalProtocolError(f"cannot write a key of type {update.key_type!r}")
    return pb.ValidatorUpdate(pub_key=public, power=power)


_ACCEPTED = pb.TxResult()

Constants = Mapping[Framing, Mapping[type[Request], bytes]]


def _framed(responses: Mapping[type[Request], pb.Response]) -> Constants:
    return {
        framing: {
            kind: frame(response.SerializeToString(), framing)
            for kind, response in responses.items()
        }
        for framing in Framing
    }


_VALID = _framed(
    {
        CheckTx: pb.Response(check_tx=_ACCEPTED),
        DeliverTx: pb.Response(deliver_tx=_ACCEPTED),
    }
)

_DONE = _framed(
    {
        Flush: pb.Response(flush=pb.EmptyBody()),
        SetOption: pb.Response(set_option=pb.EmptyBody()),
        Query: pb.Response(query=pb.EmptyBody()),
        BeginBlock: pb.Response(begin_block=pb.EmptyBody()),
        ProcessProposal: pb.Response(
            process_proposal=pb.VerdictResponse(verdict=_ACCEPT)
        ),
        ExtendVote: pb.Response(extend_vote=pb.EmptyBody()),
        VerifyVoteExtension: pb.Response(
            verify_vote_extension=pb.VerdictResponse(verdict=_ACCEPT)
        ),
        InsertTx: pb.Response(insert_tx=pb.TxResult()),
        ReapTxs: pb.Response(reap_txs=pb.TxsResponse()),
    }
)
