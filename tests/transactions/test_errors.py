from __future__ import annotations

import pytest

from trio_stream.transactions import errors


def test_text_of_an_error_is_its_str() -> None:
    assert str(errors.InvalidHash("No transaction id found!")) == (
        "No transaction id found!"
    )
    assert str(errors.ThresholdTooDeep()) == ""


def test_long_texts_are_cut() -> None:
    assert len(str(errors.InvalidHash("x" * 10_000))) == errors.MAX_TEXT


def test_every_text_can_be_encoded() -> None:
    text = str(errors.InvalidHash("before \ud800 after"))
    assert text.encode() == b"before \\ud800 after"


def test_every_error_is_a_validation_error() -> None:
    leaves = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, Exception)
    ]
    assert len(leaves) > 15
    assert all(issubclass(each, errors.ValidationError) for each in leaves)


@pytest.mark.parametrize("text", ["", "plain", "\ud800" * 3_000, "x" * 3_000])
def test_a_refusal_gives_the_same_error_again_and_again(text: str) -> None:
    error = errors.InvalidHash(text)
    for _ in range(2):
        again = errors.Refusal.of(error).error()
        assert type(again) is errors.InvalidHash
        assert str(again) == str(error)
        assert again.__traceback__ is None
        error = again
