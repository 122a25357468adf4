"""Messages as values: which there are, and that nobody changes one."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from tests.abci.vectors import REQUESTS
from trio_stream.abci import messages as m

KINDS = typing.get_args(m.Request)
ANSWERS = typing.get_args(m.Answer)


def test_each_recorded_kind_of_request_is_a_message() -> None:
    recorded = {vector.kind for vector in REQUESTS}
    assert recorded == {kind.__name__ for kind in KINDS} - {"Unknown"}


def test_a_message_is_a_request_or_an_answer() -> None:
    defined = {
        value
        for value in vars(m).values()
        if dataclasses.is_dataclass(value) and isinstance(value, type)
    }
    assert defined == {*KINDS, *ANSWERS} and not {*KINDS} & {*ANSWERS}


def test_messages_are_compared_by_what_they_say_and_cannot_change() -> None:
    assert m.CheckTx(b"a") == m.CheckTx(b"a") != m.CheckTx(b"b")
    assert m.TxResult(0) == m.TxResult(0, "")
    assert m.EndBlockAnswer() == m.EndBlockAnswer(())
    with pytest.raises(dataclasses.FrozenInstanceError):
        m.CheckTx(b"a").tx = b"b"  # type: ignore[misc]  # that is what is refused
