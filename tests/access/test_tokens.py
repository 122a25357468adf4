from __future__ import annotations

import hashlib

import pytest

from trio_stream.access.tokens import (
    LEAST_CHARACTERS,
    MOST_CHARACTERS,
    MOST_TOKENS,
    Permission,
    Token,
    TokensError,
    read_tokens,
)

SECRET = "correct-horse-battery-staple"
HASH = hashlib.sha256(SECRET.encode()).hexdigest()


def entry(
    name: str = "a", secret: str = f'token = "{SECRET}"', may: str = '["read"]'
) -> str:
    return f'[[token]]\nname = "{name}"\n{secret}\nmay = {may}\n'


@pytest.mark.parametrize(
    "secret",
    [f'token = "{SECRET}"', f'sha256 = "{HASH}"', f'sha256 = "{HASH.upper()}"'],
)
def test_a_token_is_found_by_what_it_is(secret: str) -> None:
    tokens = read_tokens(entry("dashboard", secret, '["read", "metrics"]'))
    allowed = frozenset((Permission.READ, Permission.METRICS))
    found = tokens.find(SECRET)
    assert found == Token("dashboard", bytes.fromhex(HASH), allowed)
    assert len(tokens) == 1 and found in tokens


@pytest.mark.parametrize(
    "presented",
    [
        "",
        SECRET[:-1],
        SECRET + " ",
        SECRET.upper(),
        HASH,
        "\udcff",
        "x" * (MOST_CHARACTERS + 1),
    ],
)
def test_anything_else_is_no_token(presented: str) -> None:
    assert read_tokens(entry()).find(presented) is None


def test_a_token_with_other_permissions_is_another_one() -> None:
    before, after = read_tokens(entry()), read_tokens(entry(may='["post"]'))
    found = before.find(SECRET)
    assert found is not None and found in before and found not in after


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must hold tables"),
        ("[[token", "not TOML"),
        (f'token = "{SECRET}"', "must hold tables"),
        (entry() + "[other]\n", "must hold tables"),
        ("x = 1\n" + entry(), "must hold tables"),
        (entry("a b"), "needs a `name`"),
        (entry("x" * 65), "needs a `name`"),
        (entry() + entry(secret=f'sha256 = "{"0" * 64}"'), "two tokens are named 'a'"),
        (entry() + entry("b"), "token 2 is the same"),
        (entry() + entry("b", f'sha256 = "{HASH}"'), "token 2 is the same"),
        (entry(secret=""), "either `token` or `sha256`"),
        (entry(secret=f'token = "{SECRET}"\nsha256 = "{HASH}"'), "either `token` or"),
        (entry(secret='sha256 = "abc"'), "64 hexadecimal digits"),
        (entry(secret="sha256 = 1"), "64 hexadecimal digits"),
        (entry(secret="token = 1"), "letters, digits"),
        (entry(secret=f'token = "{SECRET} x"'), "letters, digits"),
        (entry(secret=f'token = "{"x" * (LEAST_CHARACTERS - 1)}"'), "might be guessed"),
        (entry(secret=f'token = "{"x" * (MOST_CHARACTERS + 1)}"'), "at most"),
        (entry(may="[]"), "`may` of the token 'a'"),
        (entry(may='"read"'), "`may` of the token 'a'"),
        (entry(may='["all"]'), "`may` of the token 'a'"),
        (entry(may="[[]]"), "`may` of the token 'a'"),
        (entry() + "more = 1\n", "token 1 may have"),
        ("token = [1]", "token 1 may have"),
        ("x = " + "[" * 10_000, "not TOML"),
        ("token = [" + "{}, " * (MOST_TOKENS + 1) + "]", "more than"),
    ],
)
def test_a_list_that_cannot_be_used_says_why_and_quotes_no_token(
    text: str, why: str
) -> None:
    with pytest.raises(TokensError, match=why) as caught:
        read_tokens(text)
    assert SECRET not in str(caught.value)
