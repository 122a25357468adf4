"""Decodes requests.

Protobuf's library reads the bytes; this module knows what the fields mean, release by release. It
is total: every message gives a request or `RemoteProtocolError`. A number that no dialect has gives
`Unknown`, because refusing it is up to the application's side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from trio_stream.abci import abci_pb2 as pb
from trio_stream.abci.dialects import Codec
from trio_stream.abci.errors import RemoteProtocolError
from trio_stream.abci.framing import read_varint, split_tag
from trio_stream.abci.messages import (
    BeginBlock,
    CheckTx,
    Commit,
    DeliverTx,
    Echo,
    EndBlock,
    ExtendVote,
    FinalizeBlock,
    Flush,
    Info,
    InitChain,
    InsertTx,
    PrepareProposal,
    ProcessProposal,
    Query,
    ReapTxs,
    Request,
    SetOption,
    Time,
    Unknown,
    ValidatorUpdate,
    VerifyVoteExtension,
)
from trio_stream.abci.snapshot_messages import (
    ApplySnapshotChunk,
    ListSnapshots,
    LoadSnapshotChunk,
    OfferSnapshot,
    Snapshot,
)


def decode_request(message: bytes, codec: Codec) -> tuple[Request, str]:
    """The request, and the name of the only dialect that sends it like this, or ""."""
    try:
        if codec is Codec.SIGNED_OLD:
            # Members that both envelopes have are called the same in both.
            envelope = cast(pb.NewRequest, pb.OldRequest.FromString(message))
        else:
            envelope = pb.NewRequest.FromString(message)
    except DecodeError as exc:
        raise RemoteProtocolError(f"a message can't be decoded: {exc}") from exc
    kind = envelope.WhichOneof("kind")
    if kind == "check_tx":  # by far the most frequent, so it comes before any table
        check = envelope.check_tx
        # 1.0 moved the kind (a first check, or a recheck) to field 3, and always writes it there.
        return CheckTx(check.tx), "C10" if check.type_v1 else ""
    if kind is None:
        return Unknown(_number(message)), ""
    if kind in _PLAIN:
        return _PLAIN[kind], _ONLY_IN.get((codec, kind), "")
    return _READERS[kind](envelope, codec), _tell_tale(envelope, kind, codec)


def _number(message: bytes) -> int:
    """The field number of a member that protobuf does not know."""
    tag = read_varint(message, 0)
    if tag is None:
        raise RemoteProtocolError("a message has no member")
    number, wire_type = split_tag(tag[0])
    if wire_type != 2:
        raise RemoteProtocolError("a message is not an ABCI request")
    return number


def _tell_tale(envelope: pb.NewRequest, kind: str, codec: Codec) -> str:
    if kind == "finalize_block":
        # 1.0 says up to which height it is syncing, which is at least the height of this block.
        return "C10" if envelope.finalize_block.syncing_to_height else ""
    if kind == "init_chain":
        return "C10" if any(v.pub_key_type for v in _validators(envelope)) else ""
    return _ONLY_IN.get((codec, kind), "")


def _validators(envelope: pb.NewRequest) -> tuple[pb.ValidatorUpdate, ...]:
    return tuple(envelope.init_chain.validators)


def _time(stamp: Timestamp) -> Time:
    return Time(stamp.seconds, stamp.nanos)


def _validator(update: pb.ValidatorUpdate, codec: Codec) -> ValidatorUpdate:
    """A validator, whichever of the four shapes it has."""
    if update.pub_key_type:
        return ValidatorUpdate(update.pub_key_type, update.pub_key_bytes, update.power)
    key = update.pub_key
    if codec is Codec.SIGNED_OLD:
        name = key.first.decode("utf-8", "backslashreplace")
        return ValidatorUpdate(name, key.second, update.power)
    keys = {
        "ed25519": key.first,
        "secp256k1": key.second,
        "bls12381": key.bls12381,
        "mldsa65": key.mldsa65,
        "secp256k1eth": key.secp256k1eth,
    }
    for name, value in keys.items():
        if value:
            return ValidatorUpdate(name, value, update.power)
    return ValidatorUpdate("", b"", update.power)


def _echo(envelope: pb.NewRequest, codec: Codec) -> Request:
    return Echo(envelope.echo.message)


def _info(envelope: pb.NewRequest, codec: Codec) -> Request:
    info = envelope.info
    return Info(info.version, info.abci_version)


def _init_chain(envelope: pb.NewRequest, codec: Codec) -> Request:
    body = envelope.init_chain
    return InitChain(
        time=_time(body.time),
        chain_id=body.chain_id,
        validators=tuple(_validator(update, codec) for update in body.validators),
        app_state=body.app_state_bytes,
        initial_height=body.initial_height or 1,
        signed=codec is not Codec.UNSIGNED,
    )


def _begin_block(envelope: pb.NewRequest, codec: Codec) -> Request:
    header = envelope.begin_block.header
    app_hash = _app_hash(header, codec)
    return BeginBlock(header.chain_id, header.height, _time(header.time), app_hash)


def _app_hash(header: pb.Header, codec: Codec) -> bytes | None:
    if codec is not Codec.SIGNED_OLD:
        return header.app_hash
    if header.height == 1:
        return None  # it is the genesis file's, whatever InitChain's answer said
    # 0.33 moved it and changed the wire type of field 5, which shows that it did.
    return (
        header.app_hash if header.HasField("last_block_id") else header.app_hash_to_0_32
    )


def _deliver_tx(envelope: pb.NewRequest, codec: Codec) -> Request:
    return DeliverTx(envelope.deliver_tx.tx)


def _end_block(envelope: pb.NewRequest, codec: Codec) -> Request:
    return EndBlock(envelope.end_block.height)


def _prepare_proposal(envelope: pb.NewRequest, codec: Codec) -> Request:
    body = envelope.prepare_proposal
    return PrepareProposal(body.max_tx_bytes, tuple(body.txs))


def _finalize_block(envelope: pb.NewRequest, codec: Codec) -> Request:
    body = envelope.finalize_block
    return FinalizeBlock(tuple(body.txs), body.height, _time(body.time))


def _offer_snapshot(envelope: pb.NewRequest, codec: Codec) -> Request:
    body = envelope.offer_snapshot
    offered = body.snapshot
    snapshot = Snapshot(
        offered.height, offered.format, offered.chunks, offered.hash, offered.metadata
    )
    return OfferSnapshot(snapshot, body.app_hash)


def _load_snapshot_chunk(envelope: pb.NewRequest, codec: Codec) -> Request:
    body = envelope.load_snapshot_chunk
    return LoadSnapshotChunk(body.height, body.format, body.chunk)


def _apply_snapshot_chunk(envelope: pb.NewRequest, codec: Codec) -> Request:
    body = envelope.apply_snapshot_chunk
    return ApplySnapshotChunk(body.index, body.chunk, body.sender)


_READERS: Mapping[str, Callable[[pb.NewRequest, Codec], Request]] = {
    "echo": _echo,
    "info": _info,
    "init_chain": _init_chain,
    "begin_block": _begin_block,
    "deliver_tx": _deliver_tx,
    "end_block": _end_block,
    "prepare_proposal": _prepare_proposal,
    "finalize_block": _finalize_block,
    "offer_snapshot": _offer_snapshot,
    "load_snapshot_chunk": _load_snapshot_chunk,
    "apply_snapshot_chunk": _apply_snapshot_chunk,
}

# Requests that have nothing to read.
_PLAIN: Mapping[str, Request] = {
    "flush": Flush(),
    "set_option": SetOption(),
    "query": Query(),
    "commit": Commit(),
    "list_snapshots": ListSnapshots(),
    "process_proposal": ProcessProposal(),
    "extend_vote": ExtendVote(),
    "verify_vote_extension": VerifyVoteExtension(),
    "insert_tx": InsertTx(),
    "reap_txs": ReapTxs(),
}

_ONLY_IN: Mapping[tuple[Codec, str], str] = {
    (Codec.UNSIGNED, "begin_block"): "C37",
    (Codec.UNSIGNED, "deliver_tx"): "C37",
    (Codec.UNSIGNED, "end_block"): "C37",
    (Codec.UNSIGNED, "insert_tx"): "C39",
    (Codec.UNSIGNED, "reap_txs"): "C39",
}
