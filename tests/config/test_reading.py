"""Settings by their names, from flags, variables and tables."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from trio_stream.config import ConfigError, FollowConfig
from trio_stream.config.reading import Found, Names, name_of, read_as
from trio_stream.config.values import port

NAMES = Names(FollowConfig, elsewhere={"abci": "run"})
FILE = Path("f.toml")


def test_each_source_says_where_it_has_a_value_from() -> None:
    assert NAMES.from_flags({"in_flight": "7", "rate": None}) == {
        "in_flight": Found(7, "--in-flight")
    }
    variables = {"TRIO_STREAM_IN_FLIGHT": "8", "TRIO_STREAM_CONFIG": "x", "PATH": "/"}
    assert NAMES.from_variables(variables, beside=["TRIO_STREAM_CONFIG"]) == {
        "in_flight": Found(8, "TRIO_STREAM_IN_FLIGHT")
    }
    assert NAMES.from_table({"in_flight": 9}, FILE) == {
        "in_flight": Found(9, "f.toml: in_flight")
    }


def test_a_setting_may_have_the_name_of_a_word_of_pythons() -> None:
    assert "from" in NAMES and "from_" not in NAMES
    assert "from" in map(name_of, fields(FollowConfig))
    assert NAMES.from_flags({"from": "5"}) == {"from": Found(5, "--from")}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nodes", "'nodes'; did you mean 'node'?"),
        ("xyzzy", "'xyzzy'$"),
        ("abci", "'abci' here; it is one of `run`"),
        ("from_", "'from_'; did you mean 'from'?"),
    ],
)
def test_unknown_names_are_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^configuration file f.toml.* key {said}"):
        NAMES.from_table({name: 1}, FILE)
    variable = f"TRIO_STREAM_{name.upper()}"
    with pytest.raises(ConfigError, match=f"variable {variable}: no setting {said}"):
        NAMES.from_variables({variable: "1"}, beside=())


def test_variables_are_in_capitals() -> None:
    with pytest.raises(ConfigError, match="TRIO_STREAM_In_Flight"):
        NAMES.from_variables({"TRIO_STREAM_In_Flight": "1"}, beside=())


def test_what_cannot_be_read_is_named_and_shown() -> None:
    with pytest.raises(ConfigError, match=r"^here must be .* \(got 'x'\)$"):
        read_as(port, "x", "here")
