"""How an engine restores a snapshot: what it asks of a peer's application, and of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scripts import child
from tests.fake_engine import EngineStopped, FakeEngine
from trio_stream.abci import snapshot_messages as s

Tamper = Callable[[int, bytes], bytes]
"""What arrives of a chunk that was sent."""


async def snapshots(engine: FakeEngine) -> Sequence[s.Snapshot]:
    """What the application offers to peers."""
    answer = await engine.snapshot.call(s.ListSnapshots())
    assert isinstance(answer, s.SnapshotsAnswer)
    return answer.snapshots


async def made(engine: FakeEngine, height: int) -> None:
    """Wait until the application has a snapshot of this height."""

    async def there() -> bool | None:
        return height in {each.height for each in await snapshots(engine)} or None

    await child.poll(there, seconds=30, what=f"snapshot of block {height}")


async def load(engine: FakeEngine, snapshot: s.Snapshot, index: int) -> bytes:
    """A chunk, as a peer gets it."""
    request = s.LoadSnapshotChunk(snapshot.height, snapshot.format, index)
    answer = await engine.snapshot.call(request)
    assert isinstance(answer, s.ChunkAnswer)
    return answer.chunk


async def offer(
    engine: FakeEngine, snapshot: s.Snapshot, app_hash: bytes
) -> s.OfferVerdict:
    """What the application says to a snapshot."""
    answer = await engine.snapshot.call(s.OfferSnapshot(snapshot, app_hash))
    assert isinstance(answer, s.OfferAnswer)
    return answer.verdict


async def apply(
    engine: FakeEngine, index: int, chunk: bytes, sender: str = "peer"
) -> s.ApplyAnswer:
    """What the application says to a chunk."""
    answer = await engine.snapshot.call(s.ApplySnapshotChunk(index, chunk, sender))
    assert isinstance(answer, s.ApplyAnswer)
    return answer


async def state_sync(
    engine: FakeEngine,
    peer: FakeEngine,
    *,
    tamper: Tamper = lambda index, chunk: chunk,
    up_to: int | None = None,
) -> s.Snapshot:
    """Restore the newest snapshot that `peer` serves, and check it as an engine does.

    The engine then has the peer's blocks up to that height, and goes on from there. With `up_to` it
    stops before the chunk with this index. Raises `EngineStopped` if it cannot go on.
    """
    for snapshot in await snapshots(peer):
        app_hash = peer.chain.hash_before(snapshot.height + 1)
        verdict = await offer(engine, snapshot, app_hash)
        if verdict is s.OfferVerdict.ABORT:
            raise EngineStopped("state sync aborted")
        if verdict is s.OfferVerdict.ACCEPT:
            break
    else:
        raise EngineStopped("no snapshot was accepted")
    chunks = snapshot.chunks if up_to is None else up_to
    index = 0
    while index < chunks:
        chunk = tamper(index, await load(peer, snapshot, index))
        answer = await apply(engine, index, chunk)
        if answer.verdict is s.ChunkVerdict.ACCEPT:
            index += 1
        elif answer.verdict is not s.ChunkVerdict.RETRY:
            raise EngineStopped(f"{answer.verdict.name} at chunk {index}")
        elif answer.reject_senders:
            raise EngineStopped(f"no peer is left for chunk {index}")
    if up_to is not None:
        return snapshot
    info = await engine.info()
    if (info.last_block_height, info.last_block_app_hash) != (
        snapshot.height,
        app_hash,
    ):
        raise EngineStopped(f"the application is at {info.last_block_height}")
    first = peer.chain.initial_height
    engine.chain.blocks = peer.chain.blocks[: snapshot.height - first + 1]
    engine.chain.start_hash = peer.chain.start_hash
    return snapshot


async def block_sync(engine: FakeEngine, peer: FakeEngine) -> None:
    """Execute the blocks that the peer has more; they must give the same."""
    for block in peer.chain.blocks[len(engine.chain.blocks) :]:
        again = await engine.execute(block.height, block.txs, block.time)
        committed = await engine.commit()
        if (again[1] or committed) != block.app_hash:
            raise EngineStopped(f"the app hash of {block.height} is another one")
        engine.chain.blocks.append(block)
