"""The engine's end of the ABCI codec: requests to bytes, bytes to answers; pure.

What an engine of each dialect writes, as far as the application's end looks at it: members
that an engine always writes are there, empty if need be, since detection relies on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from trio_stream.abci import abci_pb2 as pb
from trio_stream.abci import messages as m
from trio_stream.abci import snapshot_messages as s
from trio_stream.abci.dialects import Codec
from trio_stream.abci.framing import FrameReader, Framing, frame, write_varint

ANSWER_LIMIT = 2**31 - 1
"""Most bytes of an answer, as the later releases have it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a release of the engine says, and how."""

    name: str
    codec: Codec
    version: str
    abci_version: str = ""

    @property
    def is_old(self) -> bool:
        return self.codec is Codec.SIGNED_OLD

    @property
    def connections(self) -> tuple[str, ...]:
        """The names of its connections, in the order in which it opens them."""
        if self.is_old:
            return "query", "mempool", "consensus"
        return "query", "snapshot", "mempool", "consensus"

    @property
    def has_proposals(self) -> bool:
        return self.codec is Codec.UNSIGNED

    @property
    def finalizes(self) -> bool:
        """A block comes in one FinalizeBlock."""
        return self.name in ("C38", "C39", "C10")

    @property
    def info(self) -> m.Info:
        return m.Info(self.version, self.abci_version)


DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect("T31", Codec.SIGNED_OLD, "0.31.12"),
        Dialect("T32", Codec.SIGNED_OLD, "0.32.14"),
        Dialect("T33", Codec.SIGNED_OLD, "0.33.9"),
        Dialect("T34", Codec.SIGNED_NEW, "0.34.24"),
        Dialect("C37", Codec.UNSIGNED, "0.37.16", "1.0.0"),
        Dialect("C38", Codec.UNSIGNED, "0.38.26", "2.0.0"),
        Dialect("C39", Codec.UNSIGNED, "0.39.4", "2.0.0"),
        Dialect("C10", Codec.UNSIGNED, "1.0.1", "2.1.0"),
    )
}


def has_request(dialect: Dialect, request: m.Request) -> bool:
    """Whether the envelope of the dialect's requests has this one."""
    return hasattr(_envelope(dialect), f"{_KINDS[type(request)].upper()}_FIELD_NUMBER")


def _envelope(dialect: Dialect) -> type[pb.OldRequest] | type[pb.NewRequest]:
    return pb.OldRequest if dialect.is_old else pb.NewRequest


def encode_request(request: m.Request, dialect: Dialect) -> bytes:
    """The request with its prefix, as an engine of this dialect sends it."""
    kind, body = _member(request, dialect)
    number: int = getattr(_envelope(dialect), f"{kind.upper()}_FIELD_NUMBER")
    message = write_varint(number << 3 | 2) + write_varint(len(body)) + body
    return frame(message, dialect.codec.framing)


class AnswerReader:
    """Bytes in, answers out, each named by its kind."""

    def __init__(self, framing: Framing) -> None:
        self._frames = FrameReader(limit=ANSWER_LIMIT, framing=framing)

    def feed(self, data: bytes | bytearray) -> None:
        self._frames.feed(data)

    def next_answer(self) -> tuple[str, m.Answer] | None:
        """The kind of the next response, and its content; None until it has arrived."""
        message = self._frames.next_frame()
        if message is None:
            return None
        response = pb.Response.FromString(message)
        kind = response.WhichOneof("kind") or ""
        return kind, _ANSWERS.get(kind, _done)(response)


def answer_kind(request: m.Request) -> str:
    """The kind of response that belongs to `request`."""
    return _KINDS[type(request)]


# Requests ------------------------------------------------------------------------

_KINDS: Mapping[type[m.Request], str] = {
    m.Echo: "echo",
    m.Flush: "flush",
    m.Info: "info",
    m.SetOption: "set_option",
    m.InitChain: "init_chain",
    m.Query: "query",
    m.CheckTx: "check_tx",
    m.BeginBlock: "begin_block",
    m.DeliverTx: "deliver_tx",
    m.EndBlock: "end_block",
    m.FinalizeBlock: "finalize_block",
    m.Commit: "commit",
    s.ListSnapshots: "list_snapshots",
    s.OfferSnapshot: "offer_snapshot",
    s.LoadSnapshotChunk: "load_snapshot_chunk",
    s.ApplySnapshotChunk: "apply_snapshot_chunk",
    m.PrepareProposal: "prepare_proposal",
    m.ProcessProposal: "process_proposal",
    m.ExtendVote: "extend_vote",
    m.VerifyVoteExtension: "verify_vote_extension",
    m.InsertTx: "insert_tx",
    m.ReapTxs: "reap_txs",
}

_EMPTY_COMMIT = b"\x1a\x00"
"""last_commit_info or local_last_commit, field 3, with all fields zero."""


def _member(request: m.Request, dialect: Dialect) -> tuple[str, bytes]:
    kind = _KINDS[type(request)]
    match request:
        case m.Echo(message):
            return kind, pb.EchoBody(message=message).SerializeToString()
        case m.Info(version, abci):
            block, p2p = (10, 7) if dialect.is_old else (11, 8)
            info = pb.InfoRequest(
                version=version,
                block_version=block,
                p2p_version=p2p,
                abci_version=abci,
            )
            return kind, info.SerializeToString()
        case m.InitChain():
            return kind, _init_chain(request, dialect)
        case m.CheckTx(tx):
            check = pb.CheckTxRequest(tx=tx, type_v1=2 if dialect.name == "C10" else 0)
            return kind, check.SerializeToString()
        case m.BeginBlock(chain_id, height, stamp, app_hash):
            header = pb.Header(chain_id=chain_id, height=height, time=_time(stamp))
            if dialect.name in ("T31", "T32"):
                # Hashes of two other things are where later releases have the app hash.
                header.app_hash, header.app_hash_to_0_32 = b"next", app_hash or b""
            else:
                header.last_block_id = b""
                header.app_hash, header.app_hash_to_0_32 = app_hash or b"", b"evidence"
            begin = pb.BeginBlockRequest(header=header)
            return kind, begin.SerializeToString() + _EMPTY_COMMIT
        case m.DeliverTx(tx):
            return kind, pb.TxRequest(tx=tx).SerializeToString()
        case m.EndBlock(height):
            return kind, pb.EndBlockRequest(height=height).SerializeToString()
        case m.PrepareProposal(most, txs):
            prepare = pb.PrepareProposalRequest(max_tx_bytes=most, txs=txs)
            return kind, prepare.SerializeToString() + _EMPTY_COMMIT
        case m.FinalizeBlock(txs, height, stamp):
            finalize = pb.FinalizeBlockRequest(
                txs=txs,
                height=height,
                time=_time(stamp),
                syncing_to_height=height if dialect.name == "C10" else 0,
            )
            return kind, finalize.SerializeToString()
        case s.OfferSnapshot(snapshot, app_hash):
            offered = pb.Snapshot(**snapshot._asdict())
            offer = pb.OfferSnapshotRequest(snapshot=offered, app_hash=app_hash)
            return kind, offer.SerializeToString()
        case s.LoadSnapshotChunk(height, number, index):
            load = pb.LoadSnapshotChunkRequest(
                height=height, format=number, chunk=index
            )
            return kind, load.SerializeToString()
        case s.ApplySnapshotChunk(index, chunk, sender):
            apply = pb.ApplySnapshotChunkRequest(
                index=index, chunk=chunk, sender=sender
            )
            return kind, apply.SerializeToString()
    return kind, b""


def _time(time: m.Time) -> Timestamp:
    return Timestamp(seconds=time.seconds, nanos=time.nanos)


def _init_chain(request: m.InitChain, dialect: Dialect) -> bytes:
    body = pb.InitChainRequest(
        time=_time(request.time),
        chain_id=request.chain_id,
        validators=[_validator(each, dialect) for each in request.validators],
        app_state_bytes=request.app_state,
        initial_height=0 if dialect.is_old else request.initial_height,
    )
    return body.SerializeToString() + b"\x1a\x00"  # consensus_params


def _validator(update: m.ValidatorUpdate, dialect: Dialect) -> pb.ValidatorUpdate:
    if dialect.name == "C10":
        return pb.ValidatorUpdate(
            power=update.power,
            pub_key_bytes=update.key,
            pub_key_type=update.key_type,
        )
    if dialect.is_old:
        key = pb.PublicKey(first=update.key_type.encode(), second=update.key)
    else:
        fields = {"ed25519": "first", "secp256k1": "second"}
        key = pb.PublicKey(**{fields.get(update.key_type, update.key_type): update.key})
    return pb.ValidatorUpdate(pub_key=key, power=update.power)


# Answers -------------------------------------------------------------------------


def _done(response: pb.Response) -> m.Answer:
    return m.Done()


def _tx_result(result: pb.TxResult) -> m.TxResult:
    return m.TxResult(result.code, result.log)


def _update(update: pb.ValidatorUpdate) -> m.ValidatorUpdate:
    if update.pub_key_type:
        return m.ValidatorUpdate(
            update.pub_key_type, update.pub_key_bytes, update.power
        )
    key = update.pub_key
    if len(key.first) < 32 and key.first:
        return m.ValidatorUpdate(key.first.decode(), key.second, update.power)
    if key.first:
        return m.ValidatorUpdate("ed25519", key.first, update.power)
    return m.ValidatorUpdate("secp256k1", key.second, update.power)


def _finalized(response: pb.Response) -> m.Answer:
    block = response.finalize_block
    return m.FinalizeBlockAnswer(
        tuple(map(_tx_result, block.tx_results)),
        block.app_hash,
        tuple(map(_update, block.validator_updates)),
    )


def _ended(response: pb.Response) -> m.Answer:
    updates = response.end_block.validator_updates
    return m.EndBlockAnswer(tuple(map(_update, updates)))


def _info(response: pb.Response) -> m.Answer:
    info = response.info
    return m.InfoAnswer(info.version, info.last_block_height, info.last_block_app_hash)


def _listed(response: pb.Response) -> m.Answer:
    listed = response.list_snapshots.snapshots
    return s.SnapshotsAnswer(
        tuple(
            s.Snapshot(each.height, each.format, each.chunks, each.hash, each.metadata)
            for each in listed
        )
    )


def _applied(response: pb.Response) -> m.Answer:
    applied = response.apply_snapshot_chunk
    return s.ApplyAnswer(
        s.ChunkVerdict(applied.result),
        tuple(applied.refetch_chunks),
        tuple(applied.reject_senders),
    )


_ANSWERS: Mapping[str, Callable[[pb.Response], m.Answer]] = {
    "exception": lambda response: m.Failure(response.exception.error),
    "echo": lambda response: m.EchoAnswer(response.echo.message),
    "info": _info,
    "init_chain": lambda response: m.InitChainAnswer(response.init_chain.app_hash),
    "check_tx": lambda response: _tx_result(response.check_tx),
    "deliver_tx": lambda response: _tx_result(response.deliver_tx),
    "end_block": _ended,
    "commit": lambda response: m.CommitAnswer(response.commit.data),
    "prepare_proposal": lambda response: m.PrepareProposalAnswer(
        tuple(response.prepare_proposal.txs)
    ),
    "finalize_block": _finalized,
    "list_snapshots": _listed,
    "offer_snapshot": lambda response: s.OfferAnswer(
        s.OfferVerdict(response.offer_snapshot.verdict)
    ),
    "load_snapshot_chunk": lambda response: s.ChunkAnswer(
        response.load_snapshot_chunk.chunk
    ),
    "apply_snapshot_chunk": _applied,
}
