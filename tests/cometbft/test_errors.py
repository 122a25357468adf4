from __future__ import annotations

from trio_stream.cometbft import errors


def test_each_error_is_of_one_family() -> None:
    families = (
        errors.BadBody,
        errors.Refusal,
        errors.Mismatch,
        errors.QuerySyntaxError,
    )
    named = {
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.CometError)
    } - {errors.CometError}
    assert all(sum(issubclass(each, one) for one in families) == 1 for each in named)


def test_refusals_carry_what_the_node_said() -> None:
    assert errors.HeightInFuture("text", -1, 7).tip == 7
    assert errors.Pruned("text", -1, 3).lowest == 3
    assert errors.BatchTooLong("text", -1, 10).limit == 10
    assert (errors.Refusal("text", -1).text, str(errors.Refusal("text"))) == (
        "text",
    ) * 2


def test_a_syntax_error_says_where() -> None:
    error = errors.QuerySyntaxError(4, "expected a value")
    assert str(error) == "at character 5: expected a value"
    assert (error.offset, error.problem) == (4, "expected a value")
