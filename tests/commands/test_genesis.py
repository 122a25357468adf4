"""`trio-stream genesis`: what it writes, what it says, and with which status it ends."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.history import app_hash_of, commit_blocks
from tests.ledger.chains import CHAIN_ID, TIME
from trio_stream.__main__ import main
from trio_stream.ledger.block import Chain
from trio_stream.log.moves import mark_imported
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.elections import Validator

NAME = f"{CHAIN_ID}-migrated-at-height-4"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    with CommitLog.open(home) as log:
        commit_blocks(log, 4)
        sql = "INSERT INTO validators VALUES (1, 0, 'ed25519', ?, 10)"
        log.connection.execute(sql, (b"k" * 32,))
        mark_imported(log.connection)
    return home


def test_it_writes_the_file_and_says_what_to_compare(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "genesis.json"
    assert main(["genesis", "--home", str(home), str(file)]) == 0
    out, said = capsys.readouterr()
    document = json.loads(file.read_text())
    end = document["app_state"]["continues"]
    assert (end["height"], end["app_hash"]) == (4, app_hash_of(4))
    assert document["chain_id"] == NAME
    assert out == ""
    assert said == (
        f"chain '{NAME}' goes on at height 5, with 1 validators; digest of the log"
        f" {end['digest']}; SHA-256 of this file"
        f" {hashlib.sha256(file.read_bytes()).hexdigest()}. Compare it with the other"
        " operators.\n"
    )
    assert main(["genesis", "--home", str(home)]) == 0
    assert capsys.readouterr().out == file.read_text()


def test_the_name_of_the_chain_can_be_chosen(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["genesis", "--home", str(home), "--chain-id", "better"]) == 0
    assert json.loads(capsys.readouterr().out)["chain_id"] == "better"
    for name, status, text in (
        (CHAIN_ID, 2, "has the name 'test-chain' itself"),
        ("", 1, "1 to 50 characters"),
    ):
        assert main(["genesis", "--home", str(home), "--chain-id", name]) == status
        assert text in capsys.readouterr().err


def test_nothing_is_written_over(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "genesis.json"
    file.write_text("mine")
    assert main(["genesis", "--home", str(home), str(file)]) == 1
    said = capsys.readouterr().err
    assert said == f"trio-stream: cannot write {file}: File exists\n"
    assert file.read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == [file, home]


@pytest.mark.parametrize("name", ["fsync", "link"])
def test_nothing_is_left_of_a_file_that_can_not_be_written(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    file = tmp_path / "genesis.json"

    def fail(*_: object) -> None:
        number = errno.ENOSPC if name == "fsync" else errno.EEXIST
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, fail)
    assert main(["genesis", "--home", str(home), str(file)]) == 1
    assert f"cannot write {file}: " in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [home]


def test_a_file_system_without_links_gets_the_file_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(errno.EPERM, "none here")

    monkeypatch.setattr(os, "link", fail)
    file = tmp_path / "genesis.json"
    assert main(["genesis", "--home", str(home), str(file)]) == 0
    assert json.loads(file.read_text())["chain_id"] == NAME
    assert sorted(tmp_path.iterdir()) == [file, home]


def test_a_chain_that_goes_on_has_no_successor(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with CommitLog.open(home) as log:
        log.connection.execute("DELETE FROM moves")
    assert main(["genesis", "--home", str(home)]) == 1
    assert "no migration has concluded" in capsys.readouterr().err
    with CommitLog.open(home) as log:
        log.connection.execute("DELETE FROM blocks")
        log.begin_chain(Chain("c", 1, "", 1, TIME, (Validator("", b"", 1),)))
    assert main(["genesis", "--home", str(home)]) == 1
    assert "no block" in capsys.readouterr().err
