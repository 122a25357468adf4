"""One ABCI connection, without the socket: bytes to requests, answers to bytes.

The peer is an engine, Tendermint or CometBFT, of any release from 0.31 to 1.0; which one is found
out from what it sends (`framing`, `dialects`). The owner of the socket feeds `receive_data`, takes
`next_requests` until there are none, and passes each request back to `send` with its answer, in the
order of the requests: nothing but the order ties an answer to its request, so `send` refuses any
other.

Make a new AbciConnection for each socket. What one has learned is not carried over to another,
because an engine may be upgraded while the application runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from trio_stream.abci.answers import KeyShape, encode_answer
from trio_stream.abci.dialects import Codec, detect_codec, name_from_info
from trio_stream.abci.errors import LocalProtocolError, RemoteProtocolError
from trio_stream.abci.framing import FrameReader
from trio_stream.abci.messages import (
    Answer,
    BeginBlock,
    CheckTx,
    FinalizeBlock,
    Info,
    PrepareProposal,
    Request,
)
from trio_stream.abci.requests import decode_request
from trio_stream.abci.snapshot_messages import LoadSnapshotChunk

__all__ = ["AbciConnection", "LocalProtocolError", "RemoteProtocolError"]


VERDICT_DELAY_SECONDS = 0.005
"""The pause between a CheckTx of an engine up to 0.33 and its answer. Such an engine sends the
request and only then, microseconds later, or milliseconds on a busy machine, records who waits for
the answer. An answer that arrives earlier is dropped: the transaction is then in no mempool, but in
the cache that refuses it from then on. On two busy cores one in 700 was lost that way."""


LARGE_BYTES = 256 * 1024
"""A message of this size is decoded in a millisecond, a block of 100 MiB in a fifth of a second."""
_MANY = 500


def is_much(requests: Sequence[Request]) -> bool:
    """Whether answering these, or encoding the answers, takes long: a large block, or a chunk."""
    for each in requests:
        if isinstance(each, LoadSnapshotChunk):
            return True
        if isinstance(each, FinalizeBlock | PrepareProposal):
            if len(each.txs) > _MANY or sum(map(len, each.txs)) > LARGE_BYTES:
                return True
    return False


class AbciConnection:
    """The application's end of one ABCI connection.

    Holds one incomplete message of up to `frame_limit` bytes, the data of the last `receive_data`,
    and the requests that are not answered yet.
    """

    def __init__(self, *, frame_limit: int) -> None:
        self.codec: Codec | None = None
        """How this peer encodes its requests; None before the first one."""
        self.dialect = "unknown"
        """What is known so far: `T31` to `C10`, or a range. Only for logs."""
        self._frames = FrameReader(limit=frame_limit)
        self._unanswered: deque[Request] = deque()
        self._error: RemoteProtocolError | None = None
        self._at_end = False
        self._flat_keys = False
        self._hash_in_commit = True
        self._was_asked_info = False

    @property
    def closes_last(self) -> bool:
        """Whether an application that stops should leave closing this one to the engine.

        An engine from 0.34 on exits when it loses any connection. If that is the one for blocks or
        for transactions, 0.38 and later may wait for an answer on it for ever, and then even
        SIGTERM does not end them; if it is the one for queries, they finish what they are doing and
        close the others. Engines up to 0.33 do neither.
        """
        silent = self.codec is None
        return not (silent or self._was_asked_info or self.codec is Codec.SIGNED_OLD)

    @property
    def unfinished(self) -> int:
        """How many bytes of an incomplete message are held."""
        return self._frames.unfinished

    @property
    def has_much(self) -> bool:
        """Whether `next_requests` may take long because it has a large message to decode."""
        return self._frames.ready > LARGE_BYTES

    def receive_data(self, data: bytes | bytearray) -> None:
        """Take data from the peer; empty at the end of the stream."""
        if data:
            self._frames.feed(data)
        else:
            self._at_end = True

    def next_requests(self) -> list[Request]:
        """All requests that are complete, in order; empty if more bytes are needed.

        Raises RemoteProtocolError, now and ever after, once the stream can't be decoded any
        further; the requests before that point are returned first.
        """
        if self._error is not None:
            raise self._error
        requests: list[Request] = []
        try:
            while (message := self._frames.next_frame()) is not None:
                requests.append(self._decode(message))
            if self._at_end and self._frames.unfinished:
                raise RemoteProtocolError("the stream ended inside a message")
        except RemoteProtocolError as exc:
            self._error = exc
            if not requests:
                raise
        self._unanswered.extend(requests)
        return requests

    def send(self, request: Request, answer: Answer) -> bytes:
        """The bytes of the answer to the oldest unanswered request.

        Raises LocalProtocolError if that is not `request`, or not its kind of answer.
        """
        if not self._unanswered or self._unanswered[0] is not request:
            raise LocalProtocolError("answers go out in the order of the requests")
        assert self.codec is not None, "there was a request"
        self._unanswered.popleft()
        # The hash travels once: if FinalizeBlock's answer had it, Commit's does not.
        if isinstance(request, FinalizeBlock):
            self._hash_in_commit = False
        elif isinstance(request, BeginBlock):
            self._hash_in_commit = True
        return encode_answer(
            request,
            answer,
            framing=self.codec.framing,
            keys=self._key_shape(self.codec),
            hash_in_commit=self._hash_in_commit,
        )

    def delay_before_answers(self, requests: Sequence[Request]) -> float:
        """For how many seconds to hold back the answers to these requests."""
        is_old = self.codec is Codec.SIGNED_OLD
        if is_old and any(isinstance(each, CheckTx) for each in requests):
            return VERDICT_DELAY_SECONDS
        return 0

    def _decode(self, message: bytes) -> Request:
        if self.codec is None:
            assert self._frames.framing is not None, "a message was cut"
            self.codec = detect_codec(self._frames.framing, message)
            self.dialect = self.codec.value
        request, only_in = decode_request(message, self.codec)
        if isinstance(request, Info):
            self.dialect = name_from_info(self.codec, request)
            self._was_asked_info = True
        elif only_in:
            self.dialect = only_in
        # Each connection finds out for itself: every InitChain and FinalizeBlock of 1.0 shows it,
        # before their answers need to know.
        self._flat_keys = self._flat_keys or only_in == "C10"
        return request

    def _key_shape(self, codec: Codec) -> KeyShape:
        if codec is Codec.SIGNED_OLD:
            return KeyShape.NAMED
        return KeyShape.FLAT if self._flat_keys else KeyShape.ONEOF
