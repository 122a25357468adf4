"""A channel in memory, and who reads it."""

import trio

from tests.memory_log import MemoryLog
from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.channel.groups import SendNowait
from trio_stream.channel.waiters import Clones
from trio_stream.stream.frames import Frames, frame_events
from trio_stream.stream.position import Position
from trio_stream.stream.runs import cut
from trio_stream.stream.selection import PLAIN, Filters, Form, Selection, Stream

END = Position.end_of


START = END(0)


class World:
    """Clones of a channel whose blocks a test commits itself."""

    def __init__(self, *, tail_bytes: int = 1 << 20) -> None:
        self.log = MemoryLog()
        self.blocks = CommittedBlocks(self.log)
        self.clones = Clones(self.blocks, tail_bytes=tail_bytes)

    async def commit(self, events: int = 1) -> None:
        self.log.commit(events)
        for run in cut(self.log.blocks[-1:], after=self.clones.tail.end):
            await self.clones.publish(self.blocks.live(run))

    def clone(
        self,
        after: Position = START,
        send: SendNowait | None = None,
        selection: Selection = PLAIN,
    ) -> CommitReceiveChannel[Selection]:
        return CommitReceiveChannel(self.clones, after, send, selection=selection)

    @property
    def everything(self) -> bytes:
        return frame_events(self.log.events, start=START, end=START).data


class Sink:
    """Takes so many bytes of what is sent in place."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.got = b""

    def send_nowait(self, frames: Frames, offset: int) -> int | None:
        wanted = len(frames.data) - offset
        size = min(self.room, wanted)
        self.room -= size
        end = frames.frame_end(offset + size)
        self.got += frames.data[offset:end]  # the rest of a frame counts as owed
        return None if size == wanted else end


async def drain(clone: CommitReceiveChannel[Selection], got: bytearray) -> None:
    try:
        while True:
            got += (await clone.receive()).data
    except (trio.EndOfChannel, trio.ClosedResourceError):
        pass


def nothing_is_left(world: World) -> None:
    """Nothing is kept of the clones that are closed, and none waits any more."""
    left = world.clones.statistics()
    assert (left.selections, left.waiting, left.waiting_for_an_end) == (0, 0, 0)
    assert not any(world.clones.pages.statistics())


CREATES = Selection(filters=Filters(operation=["CREATE"]))


TRANSFERS = Selection(form=Form.FULL, filters=Filters(operation=["TRANSFER"]))


BLOCKS = Selection(Stream.VALID_BLOCKS, empty_blocks=True)
