"""What the doors serve: opened from a data directory, and closed again."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from trio_stream.config import Config
from trio_stream.core import open_core
from trio_stream.log.errors import LogInUse
from trio_stream.log.file import FILE_NAME


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
