"""Whatever bytes a peer sends: no traceback and no error in our log, and nothing that stays."""

from __future__ import annotations

import gc
import logging
from collections import Counter

import pytest
import trio

from tests.http.streaming import served
from tests.websocket_door import open_door

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
BAD = [
    UPGRADE,
    UPGRADE + b"x" * 100,
    UPGRADE.replace(b"websocket", b"h2c\r\nHTTP2-Settings: AAMAAABk") + b"x",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01\x00\x05hello",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //x/..%2f%00%ff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?%ff=%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/v1/blocks/" + b"9" * 5_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00\xff\r\n\r\n",
]


@pytest.mark.parametrize("sent", BAD, ids=lambda sent: sent[:30].decode("latin-1"))
async def test_nothing_that_a_peer_sends_is_an_error_in_our_log(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as server, open_door() as door:
        for port in (server.port, door.port):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(sent)
            await stream.send_eof()
            try:
                while await stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass
            await stream.aclose()
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert "Traceback" not in caplog.text


MANY = [
    b"GET /nothing/%d HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PUT /nothing/%d HTTP/1.1\r\nHost: a\r\n\r\n",
    b"DELETE /api/v1?%d HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/v1/blocks/x%d HTTP/1.1\r\nHost: a\r\n\r\n",
]


def kinds() -> Counter[str]:
    """How many objects there are of each type, but for Trio's heap of up to 1,000 deadlines."""
    gc.collect()
    names = (type(each).__qualname__ for each in gc.get_objects())
    return Counter(n for n in names if n not in ("tuple", "CancelScope"))


@pytest.mark.parametrize("form", MANY)
async def test_many_bad_requests_leave_nothing(form: bytes) -> None:
    """Counted in objects: each that stayed would be there once a request."""
    async with served() as server:
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:

            async def ask(numbers: range) -> None:
                for number in numbers:
                    await stream.send_all(form % number)
                    assert b" 40" in await stream.receive_some()

            await ask(range(20))
            before = kinds()
            await ask(range(20, 80))
            grown = {kind: n for kind, n in (kinds() - before).items() if n >= 45}
            assert not grown
