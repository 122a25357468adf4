"""A log that cannot be read ends the process, whichever door and whichever way it is met by."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from scripts.signing import create, encode
from tests.http.apis import bigchaindb_api
from tests.ledger.chains import ALICE
from tests.memory_log import MemoryLog
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.http import server
from trio_stream.http.bigchaindb import StateReader
from trio_stream.http.server import HttpLimits
from trio_stream.ledger.recent_checks import RecentChecks
from trio_stream.log.errors import LogDamaged, ends_process

DAMAGE = LogDamaged("read", Path("log.db"), "malformed")
BODY = encode(create(ALICE))


class DamagedLog(MemoryLog):
    """Whatever is asked of it, it cannot be read."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name in ("tip", "height", "blocks"):
            return super().__getattribute__(name)
        return _fail


async def _fail(*_: object, **__: object) -> object:
    await trio.lowlevel.checkpoint()
    raise LogDamaged(*DAMAGE.args)


def get(path: str, *fields: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""]
    return "\r\n".join(lines).encode()


def post(mode: str, *fields: str) -> bytes:
    lines = [f"POST /api/v1/transactions?mode={mode} HTTP/1.1", "Host: a", *fields]
    lines += ["Content-Type: application/json", f"Content-Length: {len(BODY)}", "", ""]
    return "\r\n".join(lines).encode() + BODY


BEHIND = "Connection: close"  # the request is for hypercorn, and Quart behind it
EVENTS = "Accept: text/event-stream"
STREAM = "/api/v1/streams/valid_transactions"
READS = [
    "/api/v1/transactions/" + "a" * 64,
    "/api/v1/transactions?asset_id=" + "a" * 64,
    f"/api/v1/outputs?public_key={ALICE.public}",
    "/api/v1/blocks/1",
    "/api/v1/blocks?transaction_id=" + "a" * 64,
    "/api/v1/assets?search=word",
    "/api/v1/metadata?search=word",
    "/api/v1/statuses?transaction_id=" + "a" * 64,
    "/api/v1/validators",
    "/api/v1/elections/" + "a" * 64,
]
REQUESTS = {
    **{path: get(path) for path in READS},
    **{f"{path}, behind": get(path, BEHIND) for path in READS},
    **{f"post {mode}": post(mode) for mode in ("async", "sync", "commit")},
    **{f"post {mode}, behind": post(mode, BEHIND) for mode in ("async", "commit")},
    "events": get(STREAM, EVENTS),
    "events after": get(f"{STREAM}?after=earliest", EVENTS),
    "events refused": get(f"{STREAM}?after=nonsense", EVENTS),
    "pull": get("/api/v1/events?after=earliest"),
}


async def serve_http(log: MemoryLog, request: bytes) -> None:
    """Send one request to the HTTP door over this log, and wait for what comes of it."""
    blocks = CommittedBlocks(log)
    app = bigchaindb_api(
        reader=cast(StateReader, log),
        engine=None,  # type: ignore[arg-type]  # it is not come to
        channel=CommitChannel(blocks),
        watched=blocks,
        checks=RecentChecks(),
        streams_url="",
        commit_timeout=1,
        max_body_bytes=100_000,
    )
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    serve = partial(server.serve, app, listeners, tls=None)
    serve = partial(serve, direct=app.direct, limits=HttpLimits(shutdown_timeout=1))
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, stop=stop))
        port = listeners[0].socket.getsockname()[1]
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(request)
            while await stream.receive_some():
                pass
        stop.set()


@pytest.mark.parametrize("name", REQUESTS)
async def test_the_http_door_lets_it_through(name: str) -> None:
    with pytest.RaisesGroup(LogDamaged, flatten_subgroups=True):
        with trio.fail_after(60):
            await serve_http(DamagedLog(), REQUESTS[name])


def test_it_is_found_in_groups() -> None:
    assert ends_process(DAMAGE)
    assert ends_process(
        ExceptionGroup("", [ValueError(), ExceptionGroup("", [DAMAGE])])
    )
    assert not ends_process(ValueError())
    assert not ends_process(ExceptionGroup("", [ValueError()]))
