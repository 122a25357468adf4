"""The token in a file, for commands that ask a server which needs one."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_token_file(parser: argparse.ArgumentParser) -> None:
    """Add the flag."""
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="send the token in this file, for servers that need one",
    )


def read_token(file: Path) -> str:
    """The token that this file holds. Raises `ValueError`, which names the file."""
    try:
        token = file.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        token = ""
    except OSError as error:
        raise ValueError(f"token file {file}: {error.strerror}") from None
    if not token or not token.isprintable():
        raise ValueError(f"token file {file} must hold one token, and nothing else")
    return token
