"""Through nginx as it is configured by default: HTTP/1.0, and a connection for each request."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.http_door import everything, opened

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]

CONFIGURATION = """
daemon off;
master_process off;
pid {home}/pid;
error_log {home}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/1;
    proxy_temp_path {home}/2;
    fastcgi_temp_path {home}/3;
    uwsgi_temp_path {home}/4;
    scgi_temp_path {home}/5;
    server {{
        listen unix:{home}/socket;
        location / {{ proxy_pass http://127.0.0.1:{port}; }}
    }}
}}
"""


@asynccontextmanager
async def proxied(home: Path, port: int) -> AsyncIterator[Path]:
    """The socket of an nginx in front of a port."""
    assert NGINX is not None
    file = home / "nginx.conf"
    file.write_text(CONFIGURATION.format(home=home, port=port))
    command = [NGINX, "-p", str(home), "-c", str(file), "-e", str(home / "error.log")]
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, check=False, stderr=subprocess.PIPE)
        process = await nursery.start(run)
        with trio.fail_after(30):
            while not await listens(home / "socket"):
                assert process.returncode is None
                await trio.sleep(0.01)
        try:
            yield home / "socket"
        finally:
            process.terminate()


async def listens(place: Path) -> bool:
    """Does someone accept connections here? The socket's file exists before that."""
    try:
        async with await trio.open_unix_socket(str(place)):
            return True
    except (FileNotFoundError, ConnectionRefusedError):
        return False


@pytest.mark.parametrize("path", [b"/hold", b"/front/hold"])
async def test_an_answer_through_nginx_may_take_its_time(
    path: bytes, tmp_path: Path, mock_clock: MockClock
) -> None:
    mock_clock.rate = 1
    short = {"keep_alive": 30, "head_timeout": 30, "body_timeout": 30}
    async with opened(**short) as door, proxied(tmp_path, door.port) as place:
        async with await trio.open_unix_socket(str(place)) as stream:
            head = b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            await stream.send_all(head % path)
            with trio.fail_after(30):
                await door.held.wait()
            # Ten times what a peer gets that owes something.
            mock_clock.jump(300)
            await wait_all_tasks_blocked()
            assert door.under_way == 1
            door.go.set()
            with trio.fail_after(30):
                said = await everything(stream)
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b"<0>")
