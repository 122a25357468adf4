"""`trio-stream check-config`: what a start would refuse, and nothing is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.certificate import write_certificate
from trio_stream.__main__ import main


def test_settings_that_can_be_used_are_status_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "not" / "yet"
    assert main(["check-config", "--home", str(home)]) == 0
    assert capsys.readouterr().out.startswith(
        "The configuration can be used; 1 setting"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hom = 'x'", "unknown key 'hom'; did you mean 'home'?"),
        ("tls_key = 'x'", "tls_certificate and tls_key: give both or neither"),
        ("max_clients = 'many'", "max_clients must be"),
    ],
)
def test_a_setting_that_a_start_refuses_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = tmp_path / "node.toml"
    file.write_text(text)
    assert main(["check-config", "--config", str(file)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_certificates_are_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = write_certificate(tmp_path)
    monkeypatch.setenv("TRIO_STREAM_TLS_CERTIFICATE", str(certificate))
    monkeypatch.setenv("TRIO_STREAM_TLS_KEY", str(key))
    monkeypatch.setenv("TRIO_STREAM_HOME", str(tmp_path))
    assert main(["check-config"]) == 0
    assert "3 settings" in capsys.readouterr().out
    key.write_text("no key")
    assert main(["check-config"]) == 2
    assert f"tls_key {key}" in capsys.readouterr().err


def test_a_data_directory_that_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    assert main(["check-config", "--home", str(tmp_path / "file" / "home")]) == 2
    assert f"{tmp_path / 'file'} is not a directory" in capsys.readouterr().err
    # Root may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert main(["check-config", "--home", str(tmp_path / "home")]) == 2
    assert f"{tmp_path} can't be written by this user" in capsys.readouterr().err


def test_settings_of_a_follower_are_checked_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check-config", "--follow", "--home", str(tmp_path / "home")]
    assert main([*arguments, "--node", "http://a:1"]) == 0
    assert "show-config --follow lists them" in capsys.readouterr().out
    assert main(arguments) == 2
    assert "node: give the address" in capsys.readouterr().err
