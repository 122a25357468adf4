"""A stand-in for a daemon's HTTP server, which says what a test wants."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def answering(
    body: bytes,
    others: Mapping[str, tuple[int, bytes]] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """The address of a server that answers every request with this, but for `others` by path."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with (
                peer if tls is None else tls.wrap_socket(peer, server_side=True)
            ) as peer:
                target = _target(peer)
                status, said = (others or {}).get(target, (200, body))
                head = b"HTTP/1.1 %d So\r\nConnection: close\r\n\r\n" % status
                peer.sendall(head + said)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _target(peer: socket.socket) -> str:
    """What the request on this connection asks for, once it is read to its end."""
    with peer.makefile("rb") as request:
        target = request.readline().split()[1].decode()
        length = 0
        while (line := request.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        request.read(length)
    return target
