"""Text to query: what every release of the engine takes, and more.

    query     = all { "OR" all }
    all       = one { "AND" one }
    one       = "NOT" one | "(" query ")" | condition
    condition = name ( "<" | "<=" | ">" | ">=" ) ( number | time | date )
              | name "=" operand
              | name "CONTAINS" text
              | name "EXISTS"
              | name "IN" "(" operand { "," operand } ")"
    operand   = number | time | date | text

`TIME 2013-05-03T14:45:00Z` and `DATE 2013-05-03` have one blank between word and value; a text is
in single quotes and has no escapes. OR, NOT and IN are words only where they can stand, so that a
name may be one of them, as in the engine. Names may hold `:`, `/` and `-`, which are in the types
of real events and which 0.38 refuses; up to 0.37 they may hold nearly anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from unicodedata import category

from trio_stream.cometbft.errors import QuerySyntaxError
from trio_stream.cometbft.instants import read_date, read_time
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

MAX_LENGTH = 4096
"""Characters of a query. The engine takes 512; lists of addresses are longer."""

MAX_CONDITIONS = 128
"""Conditions of a query, each value of a list being one."""

MAX_DIGITS = 256
"""Of a number: fewer than any of the ways to compare it can take."""

MAX_DEPTH = 16
"""Parentheses and NOTs around a condition."""

BLANKS = re.compile(r"\s*")
SIGN = re.compile(r"<=|>=|<|>|=")
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")
TIME = re.compile(r"[-T:+Z0-9]*")
TEXT = re.compile(r"'([^']*)'")
PLAIN_NAME = re.compile(r"[A-Za-z0-9._:/-]*")
OLD_NAME = re.compile(r"[^ \t\n\r\\()\"'=><]+")
RESERVED = frozenset(["AND", "CONTAINS", "EXISTS"])


def parse(text: str, generation: Generation = Generation.FROM_0_38) -> Expression:
    """The query that `text` is; raises QuerySyntaxError."""
    if len(text) > MAX_LENGTH:
        raise QuerySyntaxError(MAX_LENGTH, f"longer than {MAX_LENGTH} characters")
    parser = _Parser(text, generation)
    expression = parser.query(0)
    if parser.at < len(text):
        raise QuerySyntaxError(
            parser.at, f"expected AND, OR or the end{parser.found()}"
        )
    return expression


class _Parser:
    """A place in a text. Every method leaves it behind what it read and the blanks after that."""

    def __init__(self, text: str, generation: Generation) -> None:
        self._text = text
        self._generation = generation
        self._earliest = "1900" if generation is Generation.FROM_0_38 else "1000"
        self._count = 0
        self.at = 0
        self._skip_blanks()

    def query(self, depth: int) -> Expression:
        return self._joined(
            "OR", Or, lambda: self._joined("AND", And, lambda: self._one(depth))
        )

    def found(self) -> str:
        """What stands here, for an error."""
        rest = self._text[self.at : self.at + 16].split()
        return f", not {rest[0]!r}" if rest else ", not the end"

    def _joined(
        self,
        word: str,
        join: Callable[[tuple[Expression, ...]], Expression],
        part: Callable[[], Expression],
    ) -> Expression:
        parts = [part()]
        while self._take_word(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def _one(self, depth: int) -> Expression:
        start = self.at
        if depth > MAX_DEPTH:
            raise QuerySyntaxError(start, f"more than {MAX_DEPTH} levels deep")
        if self._take_sign("("):
            inner = self.query(depth + 1)
            self._expect_sign(")")
            return inner
        if self._take_word("NOT"):
            # A name may be NOT: an operator follows it.
            if not self._at_operator():
                return Not(self._one(depth + 1))
            self.at = start
        return self._condition()

    def _condition(self) -> Expression:
        name = self._name()
        if not name or name in RESERVED:
            raise QuerySyntaxError(self.at, f"expected a name{self.found()}")
        self.at += len(name)
        self._skip_blanks()
        start = self.at
        operator = self._operator()
        match operator:
            case None:
                self._expect_sign("(")
                values = [self._operand(name, Operator.EQUAL)]
                while self._take_sign(","):
                    values.append(self._operand(name, Operator.EQUAL))
                self._expect_sign(")")
                return Or(tuple(values)) if len(values) > 1 else values[0]
            case Operator.EXISTS:
                return self._counted(start, name, operator, Kind.TEXT, "")
            case _:
                return self._operand(name, operator)

    def _operator(self) -> Operator | None:
        """The operator here; None is IN."""
        if sign := SIGN.match(self._text, self.at):
            self._skip(sign.end())
            return Operator(sign[0])
        for operator in (Operator.CONTAINS, Operator.EXISTS):
            if self._take_word(operator.value):
                return operator
        if self._take_word("IN"):
            return None
        raise QuerySyntaxError(
            self.at, f"expected =, <, <=, >, >=, CONTAINS, EXISTS or IN{self.found()}"
        )

    def _at_operator(self) -> bool:
        return bool(SIGN.match(self._text, self.at)) or self._name() in (
            "CONTAINS",
            "EXISTS",
            "IN",
        )

    def _operand(self, name: str, operator: Operator) -> Condition:
        start = self.at
        # A text may be nothing but equal or contained, and be contained nothing else.
        if operator in (Operator.EQUAL, Operator.CONTAINS):
            if quoted := TEXT.match(self._text, start):
                self._skip(quoted.end())
                return self._counted(start, name, operator, Kind.TEXT, quoted[1])
            if self._text.startswith("'", start):
                raise QuerySyntaxError(start, "the text has no end")
        if operator is Operator.CONTAINS:
            raise QuerySyntaxError(start, f"expected a text in quotes{self.found()}")
        if number := NUMBER.match(self._text, start):
            if len(number[0]) > MAX_DIGITS:
                raise QuerySyntaxError(start, f"more than {MAX_DIGITS} digits")
            self._skip(number.end())
            return self._counted(start, name, operator, Kind.NUMBER, number[0])
        for kind, read in ((Kind.TIME, read_time), (Kind.DATE, read_date)):
            if self._text.startswith(f"{kind.value} ", start):
                written = TIME.match(self._text, start + 5)
                assert written is not None
                # As in the engine. No release takes a fraction of a second here.
                if (
                    read(written[0]) is None
                    or not self._earliest <= written[0][:4] < "3000"
                ):
                    raise QuerySyntaxError(start + 5, f"no {kind.name.lower()}")
                self._skip(written.end())
                return self._counted(start, name, operator, kind, written[0])
        text = " or a text in quotes" if operator is Operator.EQUAL else ""
        raise QuerySyntaxError(
            start, f"expected a number, TIME, DATE{text}{self.found()}"
        )

    def _counted(
        self, at: int, name: str, operator: Operator, kind: Kind, operand: str
    ) -> Condition:
        self._count += 1
        if self._count > MAX_CONDITIONS:
            raise QuerySyntaxError(at, f"more than {MAX_CONDITIONS} conditions")
        return Condition(name, operator, kind, operand, self._generation)

    def _name(self) -> str:
        """The name or word that stands here; empty if none does."""
        text, end = self._text, self.at
        if self._generation is Generation.UP_TO_0_37:
            found = OLD_NAME.match(text, end)
            return found[0] if found else ""
        plain = PLAIN_NAME.match(text, end)
        assert plain is not None
        end = plain.end()
        while end < len(text) and _in_name(text[end]):
            end += 1
        if end > self.at and (text[self.at] in "0123456789.-:"):
            return ""
        return text[self.at : end]

    def _take_word(self, word: str) -> bool:
        # Most of the time it isn't there, and what stands there need not be read.
        if not self._text.startswith(word, self.at) or self._name() != word:
            return False
        self._skip(self.at + len(word))
        return True

    def _take_sign(self, sign: str) -> bool:
        if not self._text.startswith(sign, self.at):
            return False
        self._skip(self.at + 1)
        return True

    def _expect_sign(self, sign: str) -> None:
        if not self._take_sign(sign):
            raise QuerySyntaxError(self.at, f"expected {sign}{self.found()}")

    def _skip(self, end: int) -> None:
        self.at = end
        self._skip_blanks()

    def _skip_blanks(self) -> None:
        found = BLANKS.match(self._text, self.at)
        assert found is not None
        self.at = found.end()


def _in_name(character: str) -> bool:
    return character in "._-:/" or category(character) in LETTERS_AND_DIGITS


LETTERS_AND_DIGITS = frozenset(["Lu", "Ll", "Lt", "Lm", "Lo", "Nd"])
