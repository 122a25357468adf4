"""Stand-ins for `bench.http`: a node's RPC that accepts all, and a server without an application.

    python -m scripts.bench.http_stand_ins rpc|bare

Either says on its first line where it listens, and then serves until it is ended.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Any

import trio

from scripts.bench.load import Wire
from trio_stream.http import server

_ACCEPTED = {"code": 0, "data": "", "log": "", "hash": "AB"}
_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
)


def main() -> None:
    """Serve as what the argument says."""
    trio.run({"rpc": _rpc, "bare": _bare}[sys.argv[1]])


async def _rpc() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    _say_where(listeners)
    await trio.serve_listeners(_accept_all, listeners)


async def _accept_all(stream: trio.SocketStream) -> None:
    connection = Wire(stream)
    try:
        while True:
            head = (await connection.until(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            calls = json.loads(await connection.exactly(length))
            answers = [
                {"jsonrpc": "2.0", "id": call["id"], "result": _ACCEPTED}
                for call in (calls if isinstance(calls, list) else [calls])
            ]
            body = json.dumps(answers if isinstance(calls, list) else answers[0])
            await connection.send((_HEAD.format(len(body)) + body).encode())
    except trio.BrokenResourceError:
        await stream.aclose()


async def _bare() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    _say_where(listeners)
    serve = partial(server.serve, _nothing, listeners, tls=None)
    await serve(limits=server.HttpLimits(), stop=trio.Event())


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """Answers as little as there can be."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _say_where(listeners: list[trio.SocketListener]) -> None:
    print("listening", listeners[0].socket.getsockname()[1], flush=True)


if __name__ == "__main__":
    main()
