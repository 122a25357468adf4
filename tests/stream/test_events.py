"""Events read exactly as BigchainDB writes them."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import VECTORS
from trio_stream.stream.events import CommitEvent, encode

ids = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.integers(min_value=0, max_value=2**63 - 1), ids, ids)
def test_an_event_is_the_text_that_json_dumps_writes(height, asset_id, transaction_id):
    event = CommitEvent(height, 3, asset_id, transaction_id, bytes(32))

    text = encode(event)

    message = {
        "height": height,
        "asset_id": asset_id,
        "transaction_id": transaction_id,
    }
    assert text == json.dumps(message).encode()


def test_recorded_events_are_reproduced():
    steps = json.loads((VECTORS / "golden_http.json").read_text())["steps"]
    # A recorded height is a placeholder, `{{h7}}`, since empty blocks lie in between.
    recorded = [
        re.sub(r"\{\{h(\d+)\}\}", r"\1", text)
        for step in steps
        for text in step.get("events", [])
    ]
    assert recorded
    for text in recorded:
        message = json.loads(text)
        event = CommitEvent(
            message["height"], 0, message["asset_id"], message["transaction_id"], b""
        )
        assert encode(event) == text.encode()
