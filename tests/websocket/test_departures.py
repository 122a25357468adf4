"""Why subscribers leave, as something that can be counted."""

from __future__ import annotations

import re

import pytest

from scripts import child
from trio_stream.websocket.departures import KINDS, OTHER, kind_of


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("stalled: took nothing for 60 s", "stalled"),
        ("closed by the client: 1000", "closed by the client"),
        ("closed", "closed"),
        ("an odd reason", OTHER),
        (None, OTHER),
    ],
)
def test_details_are_left_out(reason: str | None, kind: str) -> None:
    assert kind_of(reason) == kind


def test_each_reason_that_the_wing_gives_is_of_a_kind() -> None:
    wing = child.ROOT / "trio_stream" / "websocket"
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in wing.glob("*.py")
        if path.stem != "departures"
    )
    given = re.findall(r'(?:leave|cut)\(\s*f?"([^"{]*)', text)
    given += re.findall(r'(?:Ending|dismiss)\(.*?, f?"([^"{]*)"?', text)
    given += ["no answer to Ping"] if '"no answer to Ping"' in text else []
    assert len(given) > 9
    assert {kind_of(reason) for reason in given} <= {*KINDS}
