"""What the doors serve: opened from a data directory, and closed again."""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from scripts.signing import Key, create, encode
from trio_stream.abci.messages import (
    Commit,
    FinalizeBlock,
    FinalizeBlockAnswer,
    InitChain,
    Time,
)
from trio_stream.config import Config
from trio_stream.log.errors import LogInUse
from trio_stream.log.file import FILE_NAME
from trio_stream.node.core import open_core


async def test_a_new_directory_has_a_log_without_blocks(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        core = open_core(Config(home=tmp_path), stack)
        assert core.application.height == 0
        assert (await core.reader.tip()).height == 0
        assert (tmp_path / FILE_NAME).exists()


async def test_the_directory_is_free_again_once_all_is_closed(tmp_path: Path) -> None:
    for _ in range(2):
        async with AsyncExitStack() as stack:
            open_core(Config(home=tmp_path), stack)
            async with AsyncExitStack() as other:
                with pytest.raises(LogInUse):
                    open_core(Config(home=tmp_path), other)


def _verifiers() -> int:
    return sum(each.name.startswith("verifier") for each in threading.enumerate())


async def test_threads_verify_a_large_block_and_end_with_the_rest(
    tmp_path: Path,
) -> None:
    key, now = Key.from_seed(bytes(32)), Time(1_500_000_000, 0)
    raws = [encode(create(key, metadata={"n": n})) for n in range(100)]
    async with AsyncExitStack() as stack:
        application = open_core(Config(home=tmp_path), stack).application
        assert _verifiers() == 0, "before there is work for them"
        begin = InitChain(now, "chain", (), b"", 1, signed=False)
        application.answer(begin, owner=1)
        answer = application.answer(FinalizeBlock(raws, 1, now), owner=1)
        application.answer(Commit(), owner=1)
        assert isinstance(answer, FinalizeBlockAnswer)
        assert {each.code for each in answer.results} == {0}
        assert application.height == 1
        assert _verifiers() > 0
    assert _verifiers() == 0
