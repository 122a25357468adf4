from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cometbft.made import NEW, OLD
from trio_stream.cometbft.errors import QuerySyntaxError
from trio_stream.cometbft.queries import (
    And,
    Condition,
    Expression,
    Generation,
    Kind,
    Not,
    Operator,
    Or,
)
from trio_stream.cometbft.query_parser import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_LENGTH,
    parse,
)


def equal(key: str, operand: str, kind: Kind = Kind.NUMBER) -> Condition:
    return Condition(key, Operator.EQUAL, kind, operand, NEW)


A, B, C = equal("a", "1"), equal("b", "2"), equal("c", "3")

# From the engine's own tests, libs/pubsub/query/syntax/syntax_test.go and parser_test.go.
VALID = [
    "tm.events.type='NewBlock'",
    "tm.events.type = 'NewBlock'",
    "tm.events.name = ''",
    "tm.events.type='TIME'",
    "tm.events.type='DATE'",
    "tm.events.type='='",
    "tm.events.type='NewBlock' AND abci.account.name='Igor'",
    "abci.account.name CONTAINS 'Igor'",
    "tx.date > DATE 2013-05-03",
    "tx.date < DATE 2013-05-03",
    "tx.date <= DATE 2013-05-03",
    "tx.date >= DATE 2013-05-03",
    "tx.date > TIME 2013-05-03T14:45:00+07:00",
    "tx.date < TIME 2013-05-03T14:45:00-02:00",
    "tx.date <= TIME 2013-05-03T14:45:00Z",
    "tx.date >= TIME 2013-05-03T14:45:00Z",
    "account.balance=100",
    "account.balance >= 200",
    "slashing.amount EXISTS",
    "slashing.amount EXISTS AND account.balance=100",
    "account.balance=100 AND slashing.amount EXISTS",
    "slashing EXISTS",
    "hash='136E18F7E4C348B780CF873A0BF43922E5BAFA63'",
    "cosm-wasm.transfer_amount=100",
]
INVALID = [
    "tm.events.type='TIME",
    "tm.events.type=TIME'",
    "tm.events.type==",
    "tm.events.type=NewBlock",
    ">==",
    "tm.events.type 'NewBlock' =",
    "tm.events.type>'NewBlock'",
    "",
    "=",
    "='NewBlock'",
    "tm.events.type=",
    "tm.events.typeNewBlock",
    "tm.events.type'NewBlock'",
    "'NewBlock'",
    "NewBlock",
    "tm.events.type='NewBlock' AND",
    "tm.events.type='NewBlock' AN",
    "tm.events.type='NewBlock' AN tm.events.type='NewBlockHeader'",
    "AND tm.events.type='NewBlock' ",
    "tx.date >= DAT 2013-05-03",
    "tx.date <= DATE2013-05-03",
    "tx.date <= DATE -05-03",
    "tx.date >= DATE 20130503",
    "tx.date >= DATE 2013+01-03",
    "tx.date >= DATE 0013-01-03",
    "tx.date >= DATE 2013-31-03",
    "tx.date >= DATE 2013-01-83",
    "tx.date >= TIME2013-05-03T14:45:00Z",
    "tx.date = IME 2013-05-03T14:45:00Z",
    "tx.date = TIME 2013-05-:45:00Z",
    "tx.date >= TIME 2013-05-03T14:45:00",
    "tx.date >= TIME 0013-00-00T14:45:00Z",
    "tx.date >= TIME 2013+05=03T14:45:00Z",
    "account.balance >= -300",
    "account.balance >>= 400",
    "account.balance=33.22.1",
    "hash=136E18F7E4C348B780CF873A0BF43922E5BAFA63",
]


@pytest.mark.parametrize("generation", Generation)
def test_what_the_engine_takes_and_what_it_does_not(generation: Generation) -> None:
    for text in VALID:
        parse(text, generation)
    for text in INVALID:
        with pytest.raises(QuerySyntaxError):
            parse(text, generation)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", A),
        ("  a \t= 1\n", A),
        ("a=1AND b=2", And((A, B))),
        ("a=1 AND b=2 AND c=3", And((A, B, C))),
        ("a=1 AND b=2 OR c=3", Or((And((A, B)), C))),
        ("a=1 OR b=2 AND c=3", Or((A, And((B, C))))),
        ("(a=1 OR b=2) AND c=3", And((Or((A, B)), C))),
        ("((a=1))", A),
        ("NOT a=1 AND b=2", And((Not(A), B))),
        ("NOT (a=1 AND b=2)", Not(And((A, B)))),
        ("NOT NOT a=1", Not(Not(A))),
        ("a=1 AND NOT(b=2)", And((A, Not(B)))),
        ("a IN (1)", A),
        ("a IN(1,'x' , 2)", Or((A, equal("a", "x", Kind.TEXT), equal("a", "2")))),
        ("NOT a IN (1, 2)", Not(Or((A, equal("a", "2"))))),
        # Words of ours are names wherever a name stands.
        ("OR = 1", equal("OR", "1")),
        ("NOT=1", equal("NOT", "1")),
        ("IN IN (1)", equal("IN", "1")),
        ("NOT EXISTS", Condition("NOT", Operator.EXISTS, Kind.TEXT, "", NEW)),
        ("TIME = 1", equal("TIME", "1")),
        ("a = 15.", equal("a", "15.")),
        ("a = 007", equal("a", "007")),
        ("a = DATE 2013-05-03", equal("a", "2013-05-03", Kind.DATE)),
        ("a = 'it says \"AND\" (b=1)'", equal("a", 'it says "AND" (b=1)', Kind.TEXT)),
        ("été.x_1-y = 1", equal("été.x_1-y", "1")),
        ("wasm-hpl::post.x = 1", equal("wasm-hpl::post.x", "1")),
        ("/a.b/c = 1", equal("/a.b/c", "1")),
    ],
)
def test_what_a_query_is(text: str, expected: Expression) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("sign", "operator"),
    [
        ("<", Operator.LESS),
        ("<=", Operator.AT_MOST),
        (">", Operator.GREATER),
        (">=", Operator.AT_LEAST),
        ("=", Operator.EQUAL),
    ],
)
def test_signs(sign: str, operator: Operator) -> None:
    assert parse(f"a{sign}1") == Condition("a", operator, Kind.NUMBER, "1", NEW)


def test_names_may_be_nearly_anything_up_to_0_37() -> None:
    for name in ("a#b", "5.a", "@", "-x", ".", "a,b", "a!"):
        found = parse(f"{name} = 1", OLD)
        assert found == Condition(name, Operator.EQUAL, Kind.NUMBER, "1", OLD)
        with pytest.raises(QuerySyntaxError):
            parse(f"{name} = 1")


@pytest.mark.parametrize(
    ("text", "offset", "problem"),
    [
        ("", 0, "expected a name, not the end"),
        ("a", 1, "expected =, <, <=, >, >=, CONTAINS, EXISTS or IN, not the end"),
        ("a != 1", 2, "expected =, <, <=, >, >=, CONTAINS, EXISTS or IN, not '!='"),
        ("a = b", 4, "expected a number, TIME, DATE or a text in quotes, not 'b'"),
        ("a > 'x'", 4, "expected a number, TIME, DATE, not \"'x'\""),
        ("a CONTAINS 5", 11, "expected a text in quotes, not '5'"),
        ("a = 'x", 4, "the text has no end"),
        ("a = 1 b = 2", 6, "expected AND, OR or the end, not 'b'"),
        ("a = 1 AND", 9, "expected a name, not the end"),
        ("a = 1 AND EXISTS", 10, "expected a name, not 'EXISTS'"),
        ("(a = 1", 6, "expected ), not the end"),
        ("a IN 1", 5, "expected (, not '1'"),
        ("a IN (1 2)", 8, "expected ), not '2)'"),
        ("a IN ()", 6, "expected a number, TIME, DATE or a text in quotes, not ')'"),
        ("a = TIME 2013", 9, "no time"),
        ("a = TIME  2013-05-03T14:45:00Z", 9, "no time"),
        ("a = TIME 1899-05-03T14:45:00Z", 9, "no time"),
        ("a = DATE 3000-05-03", 9, "no date"),
        ("a = -1", 4, "expected a number, TIME, DATE or a text in quotes, not '-1'"),
        ("é = 1 x", 6, "expected AND, OR or the end, not 'x'"),
    ],
)
def test_where_the_error_is(text: str, offset: int, problem: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text)
    assert (caught.value.offset, caught.value.problem) == (offset, problem)


def test_earlier_years_up_to_0_37() -> None:
    parse("a = DATE 1000-01-01", OLD)
    with pytest.raises(QuerySyntaxError, match="no date"):
        parse("a = DATE 0999-01-01", OLD)


def test_limits() -> None:
    long = "a='" + "x" * (MAX_LENGTH - 4) + "'"
    parse(long)
    with pytest.raises(QuerySyntaxError, match="longer than"):
        parse(long + " ")
    many = "a IN (" + ",".join("1" * MAX_CONDITIONS) + ")"
    parse(many)
    with pytest.raises(QuerySyntaxError, match="conditions"):
        parse(many + " OR b=1")
    parse("(" * MAX_DEPTH + "a=1" + ")" * MAX_DEPTH)
    for deep in (
        "(" * (MAX_DEPTH + 1) + "a=1" + ")" * (MAX_DEPTH + 1),
        "NOT " * 99 + "a=1",
    ):
        with pytest.raises(QuerySyntaxError, match="levels deep"):
            parse(deep)
    parse("a=" + "1" * MAX_DIGITS)
    with pytest.raises(QuerySyntaxError, match="digits"):
        parse("a=" + "1" * (MAX_DIGITS + 1))


WORDS = st.sampled_from(
    [
        "a",
        "b.c",
        "AND",
        "OR",
        "NOT",
        "IN",
        "(",
        ")",
        ",",
        "=",
        "<",
        ">=",
        "'x'",
        "'",
        "5",
        "5.5",
    ]
    + [
        "CONTAINS",
        "EXISTS",
        "TIME ",
        "DATE ",
        "2013-05-03",
        "2013-05-03T14:45:00Z",
        "-",
        '"',
    ]
)


@given(
    st.text(max_size=30) | st.lists(WORDS, max_size=12).map(" ".join),
    st.sampled_from(Generation),
)
def test_any_text_is_a_query_or_an_error_with_its_place(
    text: str, generation: Generation
) -> None:
    try:
        parse(text, generation)
    except QuerySyntaxError as error:
        assert 0 <= error.offset <= len(text)
