"""Keys of validators, as engines write them."""

from __future__ import annotations

import base64
import errno
import json
from pathlib import Path

import pytest

from tests.voting import KEYS, key_of
from trio_stream.commands.validator_key import read_public_key, read_signer

SEED, PUBLIC = bytes(KEYS[0].secret), key_of(KEYS[0])


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def kept(secret: str, kind: str = "tendermint/PrivKeyEd25519") -> str:
    """What Tendermint 0.31 and all later engines write."""
    pub_key = {"type": "tendermint/PubKeyEd25519", "value": text(PUBLIC)}
    priv_key = {"type": kind, "value": secret}
    return json.dumps({"address": "ab", "pub_key": pub_key, "priv_key": priv_key})


def old(secret: str) -> str:
    """What Tendermint 0.22 writes."""
    more = {"last_height": "0", "last_round": "0", "last_step": 0}
    return json.dumps(json.loads(kept(secret)) | more, indent=2)


@pytest.mark.parametrize("written", [kept, old])
def test_a_key_is_read_from_the_files_of_old_and_new_engines(
    written: object, tmp_path: Path
) -> None:
    assert callable(written)
    file = tmp_path / "key.json"
    file.write_text(written(text(SEED + PUBLIC)))
    signer = read_signer(file)
    assert (signer.key, signer.public) == (PUBLIC, KEYS[0].public)
    assert signer.sign(b"a") == KEYS[0].sign(b"a")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is not a validator's key file"),
        ("\udcff", "it is not a validator's key file"),
        ("[" * 60_000, "it is not a validator's key file"),
        ("[]", "it is not a validator's key file"),
        ("{}", "it is not a validator's key file"),
        ('{"priv_key": "x"}', "it is not a validator's key file"),
        ('{"priv_key": {"value": 7}}', "it is not a validator's key file"),
        (kept("bad base64!"), "it is not a validator's key file"),
        (
            kept(text(SEED), "cometbft/PrivKeySecp256k1"),
            "elections need a key of Ed25519, and cometbft/PrivKeySecp256k1 is not one",
        ),
        (kept(text(SEED), "\x1b[1m"), "Ed25519, and the key is not one"),
        (kept(text(SEED + SEED)), "its two halves do not belong together"),
    ],
)
def test_what_is_no_key_file_is_named(content: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=why) as caught:
        read_signer(file)
    assert str(caught.value).startswith(f"private key {file}: ")
    assert text(SEED)[:10] not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for file, why in (
        (tmp_path / "none", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(ValueError, match=f"^private key {file}: {why}$"):
            read_signer(file)


def test_a_file_of_somebody_else_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    # As root, who reads everything, a test meets no such file.
    monkeypatch.setattr(Path, "open", no)
    with pytest.raises(ValueError, match="key.json: Permission denied$"):
        read_signer(tmp_path / "key.json")


def test_a_public_key_is_read_from_base64() -> None:
    assert read_public_key(text(PUBLIC)) == PUBLIC


@pytest.mark.parametrize(
    "bad", ["", "x", text(PUBLIC[:31]), text(PUBLIC + b"a"), PUBLIC.hex(), "é" * 44]
)
def test_what_is_no_public_key_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="must be 32 bytes in base64"):
        read_public_key(bad)
