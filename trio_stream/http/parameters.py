"""Parameters of a query string, read one after another as in BigchainDB's framework.

Each parameter is checked when it is read, so the order of the calls is the order in which faults
are reported: one at a time, and unknown parameters last. If a parameter is given several times,
every value is checked and the first one counts. Any input becomes a value or an `EarlyAnswer`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.transactions.ids import ID
from trio_stream.transactions.quoting import quote

T = TypeVar("T")

_MISSING: Final = (
    "Missing required parameter in the JSON body or the post body or the query string"
)
# As in BigchainDB, a newline at the end is accepted, and finds nothing.
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}\n?")
_KEY: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{43,44}")
_COUNT: Final = re.compile(r"0*[1-9][0-9]{0,17}")
_OUTPUT: Final = re.compile(rf"({ID.pattern}):([0-9]{{1,8}})")


class EarlyAnswer(Exception):
    """The request is answered with this before anything else is done."""

    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__(answer)
        self.answer = answer


class Given:
    """The parameters of one request."""

    def __init__(self, query: bytes) -> None:
        self._values = answers.parameters(query)
        self._known: set[str] = set()

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """The value of a parameter; None if it is missing. Raises `EarlyAnswer`."""
        self._known.add(name)
        try:
            values = [read(text) for text in self._values.get(name, ())]
        except ValueError as error:
            raise bad(name, str(error)) from None
        return values[0] if values else None

    def required(self, name: str, read: Callable[[str], T]) -> T:
        """The value of a parameter. Raises `EarlyAnswer`, also if it is missing."""
        found = self.optional(name, read)
        if found is None:
            raise bad(name, _MISSING)
        return found

    def nothing_else(self) -> None:
        """Raise `EarlyAnswer` if there are parameters that were not read."""
        unknown = [name for name in self._values if name not in self._known]
        if unknown:
            message = f"Unknown arguments: {', '.join(unknown)}"
            raise EarlyAnswer(answers.framework_error(400, message))

    def nothing_misspelt(self) -> None:
        """Raise `EarlyAnswer` for an unknown name that resembles one that was read."""
        if refusal := answers.misspelt(self._values, sorted(self._known)):
            raise EarlyAnswer(refusal)


def bad(name: str, text: str) -> EarlyAnswer:
    """What to raise for a bad value of a parameter."""
    return EarlyAnswer(answers.framework_error(400, {name: text}))


# Each of these reads one value, and raises ValueError with BigchainDB's text.


def hash_text(text: str) -> str:
    """A transaction id, in lower case."""
    if not _HASH.fullmatch(text):
        raise ValueError("Invalid hash")
    return text.lower()


def operation(text: str) -> str:
    """CREATE or TRANSFER."""
    if text.upper() not in ("CREATE", "TRANSFER"):
        raise ValueError('Operation must be "CREATE" or "TRANSFER"')
    return text.upper()


def boolean(text: str) -> bool:
    """True or false, in upper or lower case."""
    if text.lower() not in ("true", "false"):
        raise ValueError('Boolean value must be "true" or "false" (lowercase)')
    return text.lower() == "true"


def public_key(text: str) -> str:
    """What looks like an Ed25519 key in base58."""
    if not _KEY.fullmatch(text):
        raise ValueError("Invalid base58 ed25519 key")
    return text


def count(text: str) -> int:
    """A positive count. BigchainDB has no such parameter, so zero is refused."""
    if not _COUNT.fullmatch(text):
        raise ValueError("Must be a whole number greater than 0")
    return int(text)


def whole(text: str) -> int:
    """A whole number as Python reads it; errors have Python's text."""
    try:
        return int(text)
    except ValueError:
        shown = quote(text, 200)
        raise ValueError(f"invalid literal for int() with base 10: {shown}") from None


def output(text: str) -> tuple[str, int]:
    """An output, as its transaction's id and its index."""
    found = _OUTPUT.fullmatch(text)
    if not found:
        raise ValueError("Must be <transaction_id>:<output_index>")
    return found[1], int(found[2])
