"""Whether the live page keeps up in a browser, and how long its frames take.

    python -m scripts.bench.page [--rate 1000] [--seconds 20]

A daemon is driven as an engine does, with ten blocks a second; the page is open in Chromium without
a screen, where a script looks at each frame and counts the rows that appear. Prints how many events
were committed and shown, the longest time between two frames, and how long it took from the
answer to Commit until the row of a block's last event was there. Exit status 1 if a frame took over
100 ms, or a row over a second. The signing is done before.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import trio

from scripts.bench.report import machine
from scripts.chromium import Page, chromium
from scripts.daemon_process import RunningDaemon, Settings, run_daemon
from scripts.signing import Key, create, encode
from tests.fake_engine import FakeEngine
from trio_stream.abci.messages import Time

KEY = Key.from_seed(b"\7" * 32)
BLOCKS = 10
"""Blocks a second."""
LONGEST_FRAME = 100.0
LONGEST_DELAY = 1000.0
WARM_UP = 2.0

# The rows are seen when they are about to be painted.
OBSERVE = """
const seen = {frames: [], rows: 0, at: {}}
addEventListener("DOMContentLoaded", () => {
    new MutationObserver((changes) => {
        for (const {addedNodes} of changes) {
            for (const row of addedNodes) {
                const link = row.querySelector?.("td:nth-child(4) a")
                if (!link) continue
                seen.rows += 1
                seen.at[link.title] = performance.timeOrigin + performance.now()
            }
        }
    }).observe(document.querySelector("#events"), {childList: true})
})
let last = null
const frame = (now) => {
    if (last !== null) seen.frames.push(now - last)
    last = now
    requestAnimationFrame(frame)
}
requestAnimationFrame(frame)
window.seen = seen
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=int, default=1000, help="events per second")
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    print(machine())
    size = options.rate // BLOCKS
    blocks = [
        [create(KEY, metadata={"block": block, "n": n}) for n in range(size)]
        for block in range(options.seconds * BLOCKS)
    ]
    texts = [[encode(document) for document in block] for block in blocks]
    last_ids = [block[-1]["id"] for block in blocks]
    return trio.run(bench, texts, last_ids)


async def bench(texts: list[list[bytes]], last_ids: list[str]) -> int:
    with tempfile.TemporaryDirectory() as place:
        async with run_daemon(Settings(Path(place) / "home")) as daemon:
            address = urlsplit(daemon.abci)

            async def connect() -> trio.abc.Stream:
                assert address.hostname and address.port
                return await trio.open_tcp_stream(address.hostname, address.port)

            async with FakeEngine("C38", connect) as engine:
                await engine.init_chain()
                await engine.block(encode(create(KEY)), time=now())
                async with chromium(Path(place)) as browser:
                    page = await browser.open(f"{daemon.api}/", script=OBSERVE)
                    return await measure(page, engine, daemon, texts, last_ids)


async def measure(
    page: Page,
    engine: FakeEngine,
    daemon: RunningDaemon,
    texts: list[list[bytes]],
    last_ids: list[str],
) -> int:
    await page.look(1280, 900)
    await page.until("document.querySelector('#connection').dataset.state === 'live'")
    await trio.sleep(WARM_UP)
    await page.evaluate("void (seen.frames.length = 0, seen.rows = 0)")
    committed: list[float] = []
    began = trio.current_time()
    for number, block in enumerate(texts):
        await trio.sleep_until(began + number / BLOCKS)
        await engine.block(*block, time=now())
        committed.append(time.time() * 1000)
    took = trio.current_time() - began
    await page.until(f"seen.at[{last_ids[-1]!r}]")
    rate = await page.text("#rate")
    rows = await page.evaluate("seen.rows")
    frames = sorted(await page.evaluate("seen.frames"))
    at = await page.evaluate(f"{last_ids}.map((id) => seen.at[id])")
    delays = [shown - done for shown, done in zip(at, committed) if shown is not None]
    count = sum(map(len, texts))
    print(f"{count:,} events in {len(texts)} blocks within {took:.1f} s; {daemon.name}")
    print(f"{rows:,} rows appeared; the page says {rate} events per second")
    print(
        f"{len(frames):,} frames: median {statistics.median(frames):.1f} ms, p99"
        f" {frames[int(len(frames) * 0.99)]:.1f} ms, longest {frames[-1]:.1f} ms"
    )
    print(
        f"from the answer to Commit to the row: median {statistics.median(delays):.0f} ms,"
        f" longest {max(delays):.0f} ms; {len(at) - len(delays)} blocks were skipped"
    )
    for complaint in page.complaints:
        print(complaint)
    good = frames[-1] <= LONGEST_FRAME and max(delays) <= LONGEST_DELAY
    return 0 if good and not page.complaints else 1


def now() -> Time:
    return Time(*divmod(time.time_ns(), 10**9))


if __name__ == "__main__":
    sys.exit(main())
