"""The flags that are settings, with the environment and the file."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from trio_stream.commands.flags import (
    add_either_settings,
    add_follow_settings,
    add_settings,
    either_settings_of,
    follow_settings_of,
    settings_of,
)
from trio_stream.config import Config, ConfigError, FollowConfig, Loaded


def settings(*arguments: str) -> Loaded[Config]:
    parser = argparse.ArgumentParser()
    add_settings(parser)
    return settings_of(parser.parse_args(arguments))


def test_without_any_all_have_their_defaults() -> None:
    assert settings() == Loaded(Config(), {})


def test_flags_come_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "node.toml"
    file.write_text('home = "/file"\nlog_level = "error"\nlog_format = "json"')
    monkeypatch.setenv("TRIO_STREAM_HOME", "/environment")
    monkeypatch.setenv("TRIO_STREAM_LOG_LEVEL", "debug")
    loaded = settings("--config", str(file), "--home", "/flag")
    assert loaded.config == Config(
        home=Path("/flag"), log_level="DEBUG", log_format="json"
    )
    assert loaded.origins == {
        "home": "--home",
        "log_level": "TRIO_STREAM_LOG_LEVEL",
        "log_format": f"{file}: log_format",
    }


def test_a_value_that_cannot_be_used_names_its_flag() -> None:
    with pytest.raises(ConfigError, match="^--abci must be "):
        settings("--abci", "nowhere")


def either(*arguments: str) -> Loaded[Config] | Loaded[FollowConfig]:
    parser = argparse.ArgumentParser()
    add_either_settings(parser)
    return either_settings_of(parser.parse_args(arguments))


def test_a_follower_has_flags_of_its_own() -> None:
    parser = argparse.ArgumentParser()
    add_follow_settings(parser)
    arguments = ["--node", "http://a:1", "--node", "http://b:2", "--from", "earliest"]
    loaded = follow_settings_of(parser.parse_args(arguments))
    assert loaded.config == FollowConfig(
        node=("http://a:1", "http://b:2"), from_="earliest"
    )
    assert loaded.origins == {"node": "--node", "from": "--from"}


def test_one_flag_says_whose_settings_are_meant() -> None:
    node = ("--node", "http://a:1")
    assert either(*node).config == Config(node="http://a:1")
    assert either("--follow", *node).config == FollowConfig(node=("http://a:1",))
    assert either().config == Config()


def test_flags_of_the_other_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="--keep: no setting .* one of `follow`"):
        either("--keep", "7d")
    with pytest.raises(ConfigError, match="--abci: no setting .* one of `run`"):
        either("--follow", "--abci", "tcp://a:1")
