"""What can be wrong with a node's answer, by name.

Four families, because four things follow from them. A `Refusal` is a whole answer that says
no: the follower waits, or asks another node. A `BadBody` is no answer at all: the same question is
worth asking again. A `Mismatch` is an answer that cannot be true: it is never stored, and
this node is not asked for that height again. A `QuerySyntaxError` is the subscriber's fault.
"""

from __future__ import annotations


class CometError(Exception):
    """Anything wrong with an answer or a query."""


class BadBody(CometError):
    """The body is not what a node's RPC answers."""


class TooLarge(BadBody):
    """The body is beyond the limit."""


class Truncated(BadBody):
    """The body ends early."""


class NotJson(BadBody):
    """The body is no JSON: a proxy's page, plain text."""


class Malformed(BadBody):
    """The body is JSON, but not of any shape that a release answers with."""


class Refusal(CometError):
    """The node answered with an error; `text` is its own."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text, code)
        self.text = text
        self.code = code

    def __str__(self) -> str:
        return self.text


class HeightInFuture(Refusal):
    """The height is above the node's tip, which is `tip` if the node says so."""

    def __init__(self, text: str, code: int = 0, tip: int | None = None) -> None:
        super().__init__(text, code)
        self.tip = tip


class HeightNotPositive(Refusal):
    """Heights start at 1."""


class Pruned(Refusal):
    """The block is below the node's oldest, which is `lowest` if the node says so."""

    def __init__(self, text: str, code: int = 0, lowest: int | None = None) -> None:
        super().__init__(text, code)
        self.lowest = lowest


class ResultsNotThere(Refusal):
    """No results for that height: not yet, or never. Only the node's tip tells the two apart."""


class ResultsDiscarded(Refusal):
    """The node is set not to keep results."""


class BrokenRecord(Refusal):
    """The node cannot read its own record of that height."""


class UnknownMethod(Refusal):
    """The node's release has no such method."""


class BatchTooLong(Refusal):
    """The node takes fewer calls at once; `limit` says how many."""

    def __init__(self, text: str, code: int = 0, limit: int | None = None) -> None:
        super().__init__(text, code)
        self.limit = limit


class TooManySubscriptions(Refusal):
    """The node has no room for another subscription."""


class BlockNotThere(Refusal):
    """The node's store lacks a block of a height that it has."""


class Mismatch(CometError):
    """The answer contradicts itself or the chain."""


class OtherHeight(Mismatch):
    """Answered for another height than the one asked for, or two answers differ in it."""


class OtherChain(Mismatch):
    """The block is another chain's."""


class ResultCountMismatch(Mismatch):
    """There are not as many results as transactions."""


class NonsenseResults(Mismatch):
    """The results are of a shape that only a misread record has (CometBFT 0.38.0 to 0.38.9)."""


class DataHashMismatch(Mismatch):
    """The transactions are not the ones that the header commits to."""


class BlockHashMismatch(Mismatch):
    """The header is not the one that the block's hash commits to."""


class BrokenLink(Mismatch):
    """The block does not follow the one before it: another history, or another node's."""


class ResultsHashMismatch(Mismatch):
    """The results are not the ones that the next header commits to."""


class AppHashMismatch(Mismatch):
    """The application's hash is not the one that the next header commits to."""


class QuerySyntaxError(CometError):
    """The query does not parse; `offset` is where, in characters from its start."""

    def __init__(self, offset: int, problem: str) -> None:
        super().__init__(offset, problem)
        self.offset = offset
        self.problem = problem

    def __str__(self) -> str:
        return f"at character {self.offset + 1}: {self.problem}"
