"""The settings of a follower: their defaults, ranges and contradictions."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from trio_stream.config import ConfigError, DoorSettings, FollowConfig, load_follow
from trio_stream.config.following import field_of
from trio_stream.config.reading import name_of

NODE = {"node": "http://node:26657"}
LEAST_AND_MOST = {
    "in_flight": (1, 64),
    "answer_bytes": (1 << 20, 4 << 30),
    "rate": (0.1, 100_000),
}


def test_without_settings_the_defaults_hold() -> None:
    loaded = load_follow(NODE, {}, file=None)
    assert loaded.config == FollowConfig(node=("http://node:26657",))
    assert loaded.origins == {"node": "--node"}
    assert loaded.config.home == Path("trio_stream_followed")


def test_all_of_a_door_is_there() -> None:
    names = {each.name for each in fields(FollowConfig)}
    assert {each.name for each in fields(DoorSettings)} <= names


@pytest.mark.parametrize("name", LEAST_AND_MOST)
def test_each_number_has_a_range(name: str) -> None:
    least, most = LEAST_AND_MOST[name]
    for good in (least, most):
        config = load_follow(NODE | {name: str(good)}, {}, file=None).config
        assert getattr(config, name) == good
    for bad in (least / 2, most * 2):
        with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} must be"):
            load_follow(NODE | {name: bad}, {}, file=None)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({}, "^node: give the address of a node"),
        (NODE | {"tls_key": "key.pem"}, "tls_certificate and tls_key"),
        (
            NODE | {"shutdown_total": 16},
            r"shutdown_total \(16 s\) must be .* shutdown_http and shutdown_stream \(17 s",
        ),
        (NODE | {"api": "localhost:9985"}, "api and stream"),
        ({"node": "http://localhost:9984/rpc"}, "own api address.*26657"),
        ({"node": ["http://node:1", "https://127.0.0.1:9985"]}, "own stream address"),
    ],
)
def test_contradicting_settings_are_refused(
    flags: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        load_follow(flags, {}, file=None)


def test_a_node_elsewhere_may_have_our_port() -> None:
    load_follow({"node": ["http://node:9984", "https://localhost"]}, {}, file=None)


def test_each_setting_has_its_field() -> None:
    assert [field_of(name_of(each)) for each in fields(FollowConfig)] == [
        each.name for each in fields(FollowConfig)
    ]
