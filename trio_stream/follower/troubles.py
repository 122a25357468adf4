"""What ends a request, and what ends the follower, by name.

A `Trouble` is one node's, now: another node is asked, or this one again. What a whole answer can be
wrong in has its names in `cometbft.errors`. A `Stopped` is the end: no node that is known
can give what comes next, or what they give contradicts what is stored.
"""

from __future__ import annotations

from trio_stream.cometbft.errors import Mismatch
from trio_stream.cometbft.followed import Reason


class Trouble(Exception):
    """A node could not be asked, or did not answer."""


class Unreachable(Trouble):
    """No connection: refused, no such name, a certificate, no time left."""


class NoAnswer(Trouble):
    """The connection ended before an answer, or none came in time.

    A node closes it so if it needs more than its write timeout (11 s, unless set) for an answer.
    """


class Overworked(Trouble):
    """The node, or what stands before it, is asked too much (429) or down (502, 503, 504)."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text, retry_after)
        self.text = text
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.text


class ContradictsStored(Mismatch):
    """A header that does not commit to the results that are stored for the block before it."""


class Stopped(Exception):
    """The follower cannot go on; the text says why, the hint what to do."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text, hint)
        self.text = text
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.text} ({self.hint})"


class WrongChain(Stopped):
    """No node is of the chain that the log is of."""


class Forked(Stopped):
    """The nodes have another history at a height that is stored."""


class Contradicted(Stopped):
    """The next header does not commit to the results that are stored."""


class Unobtainable(Stopped):
    """No node has, or will have, what comes next."""

    def __init__(self, text: str, hint: str, reason: Reason) -> None:
        super().__init__(text, hint)
        self.reason = reason


class Disagreed(Stopped):
    """Nodes do not say the same of what comes next, or too few can be asked."""
