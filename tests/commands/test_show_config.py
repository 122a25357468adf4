"""`trio-stream show-config`: each setting with its origin, as a file that can be used."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from trio_stream.__main__ import main
from trio_stream.config import Config, load, load_follow


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["show-config", *arguments]) == 0
    return capsys.readouterr().out


def test_each_setting_is_shown_once_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(capsys).splitlines()
    names = [line.removeprefix("# ").split()[0] for line in lines]
    assert names == [each.name for each in fields(Config)]
    assert all(re.search(r"  # default$", line) for line in lines)
    assert 'stream = "localhost:9985"' in [
        line.split("  #")[0].strip() for line in lines
    ]


def test_where_a_value_comes_from_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "node.toml"
    file.write_text("max_clients = 7")
    monkeypatch.setenv("BIGCHAINDB_WSSERVER_PORT", "8000")
    lines = shown(capsys, "--config", str(file), "--home", "/there").splitlines()
    told = {line.split(" = ")[0]: line for line in lines}
    assert re.fullmatch(r'home = "/there" +  # --home', told["home"])
    assert told["max_clients"].endswith(f"  # {file}: max_clients")
    assert re.fullmatch(
        r'stream = "localhost:8000" +  # environment BIGCHAINDB wsserver.port',
        told["stream"],
    )


def test_what_is_shown_is_a_configuration_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(shown(capsys), encoding="utf-8")
    assert load({}, {}, file=first) == Config()
    first.write_text(
        'home = "/a \\"quoted\\" caf\\u00e9"\n'
        'trusted_proxies = ["10.0.0.0/8", "::1"]\n'
        "node_timeout = 2.5\n"
        'advertised_host = "node.example"\n',
        encoding="utf-8",
    )
    second.write_text(shown(capsys, "--config", str(first)), encoding="utf-8")
    expected = load({}, {}, file=first)
    assert expected.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert load({}, {}, file=second) == expected


def test_a_setting_that_cannot_be_used_is_status_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["show-config", "--node", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("trio-stream: --node must be ")


def test_what_is_shown_of_a_follower_is_a_configuration_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(
        'node = ["http://a:1", "https://b/rpc"]\nfrom = 7\nallow_gaps = true\n'
        'index_keys = ["a.b"]\nkeep = "7d, 50GB"\nrate = 2.5\n'
    )
    text = shown(capsys, "--follow", "--config", str(first))
    assert 'keep = "7d, 50GB" ' in text
    second.write_text(text, encoding="utf-8")
    expected = load_follow({}, {}, file=first).config
    assert load_follow({}, {}, file=second).config == expected
