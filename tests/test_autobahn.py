"""What is a failure of the protocol in Autobahn's reports on a server without an echo."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.autobahn import failures


def report(**changes: Any) -> dict[str, Any]:
    return {
        "behavior": "FAILED",
        "behaviorClose": "OK",
        "expected": {"OK": [["message", "Hello", False], ["pong", "a"]]},
        "received": [["pong", "a"]],
    } | changes


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"received": [["timeout", "A"], ["pong", "a"]]},
        {"behavior": "OK", "received": []},
        {"behaviorClose": "INFORMATIONAL"},
    ],
)
def test_a_missing_echo_is_not_a_failure(changes: dict[str, Any]) -> None:
    assert failures(report(**changes)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"received": []},
        {"received": [["pong", "b"]]},
        {"behaviorClose": "FAILED"},
        {"behaviorClose": "UNCLEAN"},
        {"behaviorClose": "WRONG CODE"},
    ],
)
def test_a_wrong_pong_and_a_wrong_close_are_failures(changes: dict[str, Any]) -> None:
    assert len(failures(report(**changes))) == 1
