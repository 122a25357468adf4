"""Both kinds of chain are what the channel asks for."""

from __future__ import annotations

from typing import Any

import pytest

from trio_stream.channel.committed import CommittedBlocks
from trio_stream.channel.followed import FollowedBlocks
from trio_stream.channel.kind import Kind

NO_LOG: Any = None


@pytest.mark.parametrize("kind", [CommittedBlocks(NO_LOG), FollowedBlocks(NO_LOG)])
def test_a_kind_begins_with_nobody_who_reads_and_nothing_read(kind: Kind[Any]) -> None:
    assert not kind.index
    assert kind.tally.newest.height == 0
    assert kind.tally.statistics().blocks == 0
    # The shared selection is what is asked for without any parameter of a pull.
    assert kind.streams.reader.pull("").selection == kind.shared
