from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.stream.subprotocols import NAME, Offered, bearer, read_offers


@pytest.mark.parametrize(
    ("value", "offered"),
    [
        ("", Offered()),
        ("chat, superchat", Offered()),
        ("ticket.a-b_c", Offered("ticket.a-b_c", None, "a-b_c")),
        ("bearer.c2VjcmV0", Offered("bearer.c2VjcmV0", "secret")),
        ("trio-stream, bearer.c2VjcmV0", Offered(NAME, "secret")),
        ("ticket.x,trio-stream", Offered(NAME, None, "x")),
        ("chat,, ticket.x ,ticket.y", Offered("ticket.x", None, "x")),
        ("bearer.c2VjcmV0,ticket.x", Offered("bearer.c2VjcmV0", "secret", "x")),
        ("bearer.!!!", Offered("bearer.!!!")),
        ("bearer.A", Offered("bearer.A")),
        ("bearer._w", Offered("bearer._w")),
        ("ticket.a b", Offered()),
        ("ticket." + "x" * 3_000, Offered()),
        ("ticket.\r\nx: y", Offered()),
        ("ticket.", Offered("ticket.", None, "")),
    ],
)
def test_what_offers_mean(value: str, offered: Offered) -> None:
    assert read_offers(value) == offered


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_a_token_arrives_as_it_was_offered(token: str) -> None:
    assert read_offers(bearer(token)).bearer == token


@given(st.text())
def test_whatever_is_offered_has_a_meaning(value: str) -> None:
    accepted = read_offers(value).accepted
    assert accepted is None or accepted in value
