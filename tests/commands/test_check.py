"""`trio-stream check`: what it prints, what it advises, and with which status it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.follower.chain import MadeChain
from tests.log.followed.whole import written as followed
from tests.log.tampering import tamper, written
from trio_stream.__main__ import main
from trio_stream.commands.check import FOLLOWED_CURE, MOST_SHOWN


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


def test_a_whole_log_is_status_0(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--home", str(path.parent)]) == 0
    said, errors = capsys.readouterr()
    assert said.startswith(
        f"{path} is whole: chain 'test-chain', blocks 1 to 12, 32 transactions (in "
    )
    assert errors == ""


def test_a_backup_is_checked_where_it_is(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = path.rename(path.with_name("backup.db"))
    assert main(["check", str(backup), "--no-signatures", "--processes", "1"]) == 0
    assert capsys.readouterr().out.startswith(f"{backup} is whole")


def test_a_block_that_is_wrong_can_be_replayed(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(path, "UPDATE transactions SET sha256 = x'00' WHERE position = 7 << 26")
    assert main(["check", "--home", str(path.parent)]) == 1
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == (
        "block 7: transaction 0: its bytes are not those that were committed (SHA-256)"
    )
    assert second.startswith(f"{path} is NOT whole (1 findings): chain 'test-chain'")
    assert "trio-stream rollback --to-height 6" in third
    assert "backup" in third


@pytest.mark.parametrize(
    "sql",
    [
        "DROP INDEX transactions_by_asset",
        "UPDATE blocks SET app_hash = 'x' WHERE height = 1",
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_restored(
    path: Path, sql: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(path, sql)
    assert main(["check", "--home", str(path.parent)]) == 1
    *_, last = capsys.readouterr().out.splitlines()
    assert "trio-stream restore" in last
    assert "move (do not delete)" in last
    assert "rollback" not in last


def test_only_the_first_findings_are_printed(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = "UPDATE outputs SET spent_by = NULL; UPDATE outputs SET amount = 77"
    tamper(path, *many.split(";"), "UPDATE blocks SET accepted = 7", "DELETE FROM keys")
    assert main(["check", "--home", str(path.parent)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= MOST_SHOWN + 3


def test_an_empty_log_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "young", 0)
    assert main(["check", "--home", str(path.parent)]) == 0
    assert "chain 'test-chain', 0 transactions" in capsys.readouterr().out


def test_a_directory_without_a_log_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--home", str(tmp_path)]) == 1
    assert "there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "1000000", "all"])
def test_a_number_of_processes_that_cannot_be_meant_is_refused(
    count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "--processes", count])
    assert ended.value.code == 2
    assert "--processes: must be from 1 to 256" in capsys.readouterr().err


def test_a_directory_is_not_a_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path)]) == 1
    assert "it is a directory" in capsys.readouterr().err


def test_a_followers_log_is_checked_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = followed(tmp_path / "home")
    assert main(["check", "--home", str(path.parent)]) == 0
    assert capsys.readouterr().out.startswith(
        f"{path} is whole: chain 'made', blocks 2 to 11, 11 transactions (in "
    )
    tamper(
        path, "UPDATE transaction_bodies SET body = x'ffff' WHERE position = 5 << 26"
    )
    assert main(["check", str(path)]) == 1
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("block 5: it can't be read")
    assert last == FOLLOWED_CURE


@pytest.mark.parametrize(("arguments", "status"), [((), 1), (("--no-data-hashes",), 0)])
def test_data_hashes_of_a_followed_chain_may_mean_something_else(
    arguments: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    chain = MadeChain(11)
    chain.blocks[11]["block"]["data"]["txs"].reverse()
    path = followed(tmp_path, chain)
    assert main(["check", str(path), *arguments]) == status
