"""What a client may say after the handshake.

A subscriber has nothing to tell us: messages are read and dropped, whatever they contain. So
they are removed from its bytes here, as they arrive, and the WebSocket library sees only the
frames that need an answer: Ping and Close. Otherwise the library would collect each message up
to its end, and a few clients that never end theirs would use up our memory. What is dropped is
still checked, as far as BigchainDB's server checks it:

    1002    a reserved bit or opcode; a continuation of nothing; a message inside another;
            a control frame that is fragmented or over 125 bytes; a Close with half a code
            or with one that may not be sent
    1007    text, or the reason of a Close, that is not UTF-8
    1009    a message of 4 MiB or more, as soon as its frames declare that

As in BigchainDB's, a frame without a mask is tolerated. Whatever code a Close has, it is
passed on as 1000 without a reason, so that the library answers with that.
"""

from __future__ import annotations

import codecs

MESSAGE_LIMIT = 4 * 1024 * 1024
_CONTROL_LIMIT = 125  # RFC 6455, 5.5

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_FIN, _RESERVED, _MASKED = 0x80, 0x70, 0x80

_PROTOCOL_ERROR, _INVALID_TEXT, _TOO_BIG = 1002, 1007, 1009
# Codes below 3000 that may be sent (RFC 6455, 7.4.1, and the IANA registry).
_CLOSE_CODES = {1000, 1001, 1002, 1003, *range(1007, 1015)}
NO_CODE = 1005

_NO_MASK = bytes(4)
_CLOSE_1000 = b"\x88\x82" + _NO_MASK + (1000).to_bytes(2, "big")


class _Violation(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ClientFrames:
    """Removes the messages from a client's bytes.

    `violation` is the code to close with, once the client has broken the protocol;
    `close_code` is that of its own Close. After either, everything is ignored.
    `pongs` counts Pongs. Pings are dropped too once `answer_pings` is off, since nothing
    may be sent after a Close.
    """

    __slots__ = (
        "_decoder",
        "_final",
        "_mask",
        "_message",
        "_remaining",
        "_unparsed",
        "answer_pings",
        "close_code",
        "pongs",
        "violation",
    )

    def __init__(self) -> None:
        self.violation: int | None = None
        self.close_code: int | None = None
        self.pongs = 0
        self.answer_pings = True
        self._unparsed = b""  # part of a header, or of a control frame
        # The data frame that is being read, and the message that it belongs to.
        self._remaining = 0
        self._final = True
        self._mask = _NO_MASK
        self._message: int | None = None  # its size so far
        self._decoder: codecs.IncrementalDecoder | None = None

    def receive_data(self, data: bytes) -> bytes:
        """Read what came from the client; returns the frames that need an answer."""
        if self._unparsed:
            data = self._unparsed + data
        wanted: list[bytes] = []
        offset = 0
        try:
            while self.close_code is None and self.violation is None:
                if self._remaining:
                    taken = self._payload(data[offset : offset + self._remaining])
                else:
                    taken = self._frame(data, offset, wanted)
                offset += taken
                if not taken:
                    break
        except _Violation as violation:
            self.violation = violation.code
        ended = self.close_code is not None or self.violation is not None
        self._unparsed = b"" if ended else data[offset:]
        return b"".join(wanted)

    def _frame(self, data: bytes, offset: int, wanted: list[bytes]) -> int:
        """Read a data frame's header or a whole control frame; 0 if that is incomplete."""
        available = len(data) - offset
        if available < 2:
            return 0
        first, second = data[offset], data[offset + 1]
        opcode, size = first & 0x0F, second & 0x7F
        control = opcode >= _CLOSE
        if first & _RESERVED or opcode > _PONG or _BINARY < opcode < _CLOSE:
            raise _Violation(_PROTOCOL_ERROR)
        if control and (not first & _FIN or size > _CONTROL_LIMIT):
            raise _Violation(_PROTOCOL_ERROR)
        extended = {126: 2, 127: 8}.get(size, 0)
        masked = 4 if second & _MASKED else 0
        header = 2 + extended + masked
        if available < header:
            return 0
        if extended:
            size = int.from_bytes(data[offset + 2 : offset + 2 + extended], "big")
        start = offset + header
        mask = data[start - 4 : start] if masked else _NO_MASK
        if not control:
            self._begin(opcode, size, bool(first & _FIN), mask)
            return header
        if available < header + size:
            return 0
        self._control(opcode, _unmask(data[start : start + size], mask), wanted)
        return header + size

    def _begin(self, opcode: int, size: int, final: bool, mask: bytes) -> None:
        if (self._message is None) == (opcode == _CONTINUATION):
            raise _Violation(_PROTOCOL_ERROR)
        if opcode == _TEXT:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._message = (self._message or 0) + size
        if self._message >= MESSAGE_LIMIT:
            raise _Violation(_TOO_BIG)
        self._remaining, self._final, self._mask = size, final, mask
        if not size:
            self._payload(b"")

    def _payload(self, data: bytes) -> int:
        size = len(data)
        self._remaining -= size
        final = self._final and not self._remaining
        if self._decoder is not None:
            try:
                self._decoder.decode(_unmask(data, self._mask), final)
            except UnicodeDecodeError:
                raise _Violation(_INVALID_TEXT) from None
        turn = size % 4
        self._mask = self._mask[turn:] + self._mask[:turn]
        if final:
            self._message = self._decoder = None
        return size

    def _control(self, opcode: int, payload: bytes, wanted: list[bytes]) -> None:
        if opcode == _PONG:
            self.pongs += 1
        elif opcode == _PING:
            if self.answer_pings:
                size = _MASKED | len(payload)
                wanted.append(b"%c%c%b%b" % (_FIN | _PING, size, _NO_MASK, payload))
        else:
            self.close_code = _read_close(payload)
            wanted.append(_CLOSE_1000)


def _read_close(payload: bytes) -> int:
    if not payload:
        return NO_CODE
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or (code < 3000 and code not in _CLOSE_CODES):
        raise _Violation(_PROTOCOL_ERROR)
    try:
        payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise _Violation(_INVALID_TEXT) from None
    return code


def _unmask(data: bytes, mask: bytes) -> bytes:
    if mask == _NO_MASK or not data:
        return data
    size = len(data)
    pattern = (mask * (size // 4 + 1))[:size]
    plain = int.from_bytes(data, "little") ^ int.from_bytes(pattern, "little")
    return plain.to_bytes(size, "little")
