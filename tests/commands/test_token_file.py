"""The token that a command reads from a file."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from trio_stream.commands.token_file import add_token_file, read_token


def test_the_flag_names_a_file() -> None:
    parser = argparse.ArgumentParser()
    add_token_file(parser)
    assert parser.parse_args([]).token_file is None
    assert parser.parse_args(["--token-file", "a"]).token_file == Path("a")


def test_space_around_the_token_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" abc-123\n")
    assert read_token(file) == "abc-123"


@pytest.mark.parametrize("held", [b"", b"\n", b"a\nb", b"\xc3\xa9", b"a\0"])
def test_a_file_that_holds_no_token_is_named(tmp_path: Path, held: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(held)
    with pytest.raises(ValueError, match=f"token file {file} must hold one token"):
        read_token(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "missing"
    with pytest.raises(ValueError, match=f"token file {file}: No such file"):
        read_token(file)
