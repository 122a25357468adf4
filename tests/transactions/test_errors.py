from __future__ import annotations

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
    leaves = [each for each in vars(errors).values() if isinstance(each, type)]
    assert len(leaves) > 15
    assert all(issubclass(each, errors.ValidationError) for each in leaves)
