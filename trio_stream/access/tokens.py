"""Tokens: the file that lists them, and finding the one that a client presents.

Only a token's SHA-256 is kept, and that is what clients' tokens are looked up by. So the time that
a look-up takes says nothing about a token: whoever guesses cannot choose the hash of a guess, and
the final comparison takes the same time wherever two hashes differ.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple

MOST_TOKENS: Final = 1_000
MOST_CHARACTERS: Final = 1_000
"""A longer one that a client presents is not looked at."""
LEAST_CHARACTERS: Final = 22
"""128 random bits in base64 are that long; a shorter one might be guessed."""

_TOKEN: Final = re.compile(r"[0-9A-Za-z._~+/-]+=*")
_NAME: Final = re.compile(r"[0-9A-Za-z._@-]{1,64}")
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_KEYS: Final = frozenset(("name", "token", "sha256", "may"))


class TokensError(Exception):
    """The list of tokens cannot be used; the text says why, without any token."""


class Permission(Enum):
    """What a token allows."""

    READ = "read"
    """Streams and everything that GET answers, except metrics."""
    POST = "post"
    """Posting transactions."""
    METRICS = "metrics"


class Token(NamedTuple):
    """What is known of a token."""

    name: str
    """For the log; it is no secret."""
    sha256: bytes
    permissions: frozenset[Permission]


class Tokens:
    """All tokens that are valid at the moment."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._by_hash = {token.sha256: token for token in tokens}

    def __len__(self) -> int:
        return len(self._by_hash)

    def __contains__(self, token: Token) -> bool:
        return self._by_hash.get(token.sha256) == token

    def find(self, presented: str) -> Token | None:
        """The token that a client presents; None if there is none like it."""
        if not 0 < len(presented) <= MOST_CHARACTERS:
            return None
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        found = self._by_hash.get(digest)
        if found is None or not hmac.compare_digest(found.sha256, digest):
            return None
        return found


def read_tokens(text: str) -> Tokens:
    """Read a list of tokens in TOML, one table `[[token]]` each. Raises `TokensError`."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError):
        # TOML's own message might quote a token.
        raise TokensError("it is not TOML") from None
    listed = document.pop("token", None)
    if document or not isinstance(listed, list) or not listed:
        raise TokensError("it must hold tables [[token]] and nothing else")
    if len(listed) > MOST_TOKENS:
        raise TokensError(f"it holds more than {MOST_TOKENS} tokens")
    tokens: dict[str, Token] = {}
    for number, each in enumerate(listed, 1):
        token = _read(each, f"token {number}")
        if token.name in tokens:
            raise TokensError(f"two tokens are named {token.name!r}")
        if any(token.sha256 == other.sha256 for other in tokens.values()):
            raise TokensError(f"token {number} is the same as another one")
        tokens[token.name] = token
    return Tokens(tokens.values())


def _read(table: object, where: str) -> Token:
    if not isinstance(table, dict) or not table.keys() <= _KEYS:
        raise TokensError(f"{where} may have `name`, `token` or `sha256`, and `may`")
    name = table.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TokensError(
            f"{where} needs a `name` of at most 64 letters, digits or any of . _ @ -"
        )
    where = f"the token {name!r}"
    return Token(name, _sha256(table, where), _permissions(table, where))


def _sha256(table: Mapping[str, object], where: str) -> bytes:
    token, sha256 = table.get("token"), table.get("sha256")
    if (token is None) == (sha256 is None):
        raise TokensError(f"{where} needs either `token` or `sha256`")
    if token is None:
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise TokensError(f"`sha256` of {where} must be 64 hexadecimal digits")
        return bytes.fromhex(sha256)
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise TokensError(
            f"{where} must consist of letters, digits and any of - . _ ~ + /"
        )
    if not LEAST_CHARACTERS <= len(token) <= MOST_CHARACTERS:
        raise TokensError(
            f"{where} must have at least {LEAST_CHARACTERS} characters, or it might be guessed,"
            f" and at most {MOST_CHARACTERS}; `openssl rand -hex 32` makes one"
        )
    return hashlib.sha256(token.encode("ascii")).digest()


def _permissions(table: Mapping[str, object], where: str) -> frozenset[Permission]:
    may = table.get("may")
    if isinstance(may, list) and may:
        try:
            return frozenset(Permission(each) for each in may)
        except (ValueError, TypeError):
            pass
    known = ", ".join(f'"{each.value}"' for each in Permission)
    raise TokensError(f"`may` of {where} must be a list of any of {known}")
