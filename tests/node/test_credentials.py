from __future__ import annotations

import logging
from pathlib import Path

import pytest

from scripts.certificate import write_certificate
from tests.access.test_tokens import HASH, SECRET, entry
from tests.test_daemon import settings
from trio_stream.access.tokens import TokensError
from trio_stream.net.listeners import open_door
from trio_stream.net.tls import CertificateError
from trio_stream.node.credentials import Credentials

AUTHORIZATION = f"Bearer {SECRET}"


def made(folder: Path, text: str | bytes | None, mode: int = 0o600) -> Credentials:
    """Credentials with this list of tokens."""
    file = folder / "tokens.toml"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        file.chmod(mode)
    return Credentials(settings(folder, tokens=file))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file"),
        ("x", "not TOML"),
        (b"\xff", "not UTF-8"),
        (" " * (1024 * 1024 + 1), "more than 1048576 bytes"),
        (entry(may='["x"]'), "`may` of the token 'a'"),
    ],
)
def test_a_list_that_cannot_be_used_is_named(
    tmp_path: Path, text: str | bytes | None, why: str
) -> None:
    with pytest.raises(TokensError, match=why) as caught:
        made(tmp_path, text)
    assert str(tmp_path / "tokens.toml") in str(caught.value)
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize(
    ("text", "mode", "is_warned_of"),
    [
        (entry(), 0o644, True),
        (entry(), 0o640, False),
        (entry(secret=f'sha256 = "{HASH}"'), 0o644, False),
    ],
)
def test_tokens_that_everybody_can_read_are_warned_of(
    tmp_path: Path,
    text: str,
    mode: int,
    is_warned_of: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made(tmp_path, text, mode)
    assert ("every user of this machine" in caplog.text) == is_warned_of


def test_a_mistake_later_leaves_everything_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    certificate, key = write_certificate(tmp_path)
    file = tmp_path / "tokens.toml"
    file.write_text(entry())
    config = settings(tmp_path, tokens=file, tls_certificate=certificate, tls_key=key)
    credentials = Credentials(config)
    before = credentials.stream_tls(), credentials.api_tls()
    file.write_text("x")
    key.write_text("x")

    credentials.reload()

    assert (credentials.stream_tls(), credentials.api_tls()) == before
    assert credentials.guard.token_of(AUTHORIZATION) is not None
    first, second = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert first.startswith(f"the certificate in use stays: tls_key {key}")
    assert second.startswith(f"the tokens in use stay: tokens {file}")

    write_certificate(tmp_path)
    file.write_text(entry("b", 'token = "another-token-of-30-characters"'))
    credentials.reload()

    assert credentials.stream_tls() is not before[0]
    assert credentials.api_tls() is not before[1]
    assert credentials.guard.token_of(AUTHORIZATION) is None
    assert f"read {certificate} again" in caplog.text


def test_without_files_there_is_nothing_to_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    credentials = Credentials(settings(tmp_path))
    credentials.reload()
    assert caplog.text == ""
    assert credentials.guard_of_doors is None
    assert not credentials.has_tls and not credentials.asks_for_something
    assert credentials.guard.limits_nothing


def test_an_authority_that_is_none_is_named(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    more = {"tls_certificate": certificate, "tls_key": key}
    for authorities, why in (
        (key, "it holds a key"),
        (certificate, "no certificate of an authority"),
        (tmp_path / "none", "No such file"),
    ):
        config = settings(tmp_path, tls_client_ca=authorities, **more)
        with pytest.raises(CertificateError, match=why) as caught:
            Credentials(config)
        assert f"tls_client_ca {authorities}" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "more", "said"),
    [
        ("127.0.0.1", {}, None),
        ("0.0.0.0", {}, "everybody who can connect may read"),
        ("0.0.0.0", {"tokens": True}, "without TLS: tokens can be read on the way"),
        ("0.0.0.0", {"tokens": True, "trusted_proxies": ("10.0.0.1/32",)}, None),
        ("0.0.0.0", {"tokens": True, "tls": True}, None),
    ],
)
async def test_doors_that_are_open_to_others_are_warned_of(
    tmp_path: Path,
    host: str,
    more: dict[str, object],
    said: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    more = dict(more)
    if more.pop("tls", False):
        more["tls_certificate"], more["tls_key"] = write_certificate(tmp_path)
    if more.pop("tokens", False):
        more["tokens"] = tmp_path / "tokens.toml"
        (tmp_path / "tokens.toml").write_text(entry(secret=f'sha256 = "{HASH}"'))
    credentials = Credentials(settings(tmp_path, **more))
    async with open_door(host, 0) as listeners:
        for door in ("stream", "api"):
            credentials.warn_if_open(door, listeners)
    lines = caplog.messages
    assert len(lines) == (0 if said is None else 2)
    assert all(said is not None and said in line for line in lines)


def test_doors_ask_a_guard_where_not_everything_is_allowed(tmp_path: Path) -> None:
    credentials = made(tmp_path, entry())
    assert credentials.guard_of_doors is credentials.guard
