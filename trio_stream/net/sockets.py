"""What a server asks of its sockets beyond sending and receiving."""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import termios
from contextlib import suppress

import trio

LINGER_SECONDS = 2.0
"""For how long a peer's unread bytes are drained after our last word."""
_LAST_BYTES = 64 * 1024
# No honest peer sends more than that before it looks for an answer.
_LINGER_BYTES = 64 * 1024 * 1024
_RESET = struct.pack("ii", 1, 0)  # on, zero seconds


async def linger(stream: trio.abc.Stream, *, most: float = LINGER_SECONDS) -> None:
    """Say that nothing more comes, and keep reading until the peer has closed.

    Reads for at most `most` seconds in all, and `LINGER_SECONDS` without a byte. Closing a socket
    with unread bytes resets its connection, and then the peer might lose our last words.
    """
    left = _LINGER_BYTES
    with trio.move_on_after(most):
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            if isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
            with trio.move_on_after(LINGER_SECONDS) as silence:
                while left > 0 and (data := await stream.receive_some()):
                    left -= len(data)
                    silence.deadline = trio.current_time() + LINGER_SECONDS


def turn_away(raw: socket.socket, answer: bytes) -> None:
    """Say our last words to a peer without waiting for it; close `raw` next."""
    with suppress(OSError):
        raw.setblocking(False)
        raw.send(answer)
        raw.shutdown(socket.SHUT_WR)
        # What it has sent already: left unread, it would cause a reset that destroys the answer.
        raw.recv(_LAST_BYTES)


def reset_on_close(raw: socket.socket) -> None:
    """Have closing discard what the kernel still holds for a peer that reads nothing."""
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def unacknowledged(raw: socket.socket) -> int:
    """How many bytes the kernel holds that the peer has not acknowledged."""
    try:
        return int.from_bytes(
            fcntl.ioctl(raw, termios.TIOCOUTQ, bytes(4)), sys.byteorder
        )
    except OSError:
        return 0  # this kernel can't be asked


def give_up_after(raw: socket.socket | trio.socket.SocketType, seconds: float) -> None:
    """Have the kernel end the connection if its peer acknowledges nothing for so long.

    Otherwise one that vanished with a few bytes in flight is kept for a quarter of an hour.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = max(1, int(seconds * 1000))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
