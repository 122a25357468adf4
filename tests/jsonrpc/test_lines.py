from __future__ import annotations

import pytest

from tests.cometbft.recordings import RELEASES, SDK, answer, at, line, recording
from trio_stream.cometbft.queries import Generation
from trio_stream.jsonrpc.lines import line_of

HEIGHTS = {name: recording(name)["frames"][0][1] for name in RELEASES} | SDK


@pytest.mark.parametrize("name", HEIGHTS)
def test_the_line_is_seen_in_an_answer(name: str) -> None:
    found = line_of(answer(name, at("block_results", HEIGHTS[name], name)))
    of = line(name)
    assert found.generation is (
        Generation.FROM_0_38 if of >= (0, 38) else Generation.UP_TO_0_37
    )
    assert found.is_early == (of <= (0, 32))
    assert found.has_tags == (of == (0, 31))
