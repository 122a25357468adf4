"""What the release line of the node decides about frames and queries.

Seen in the shape of what it answered, never in a version: forks and proxies have versions of their
own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from trio_stream.cometbft.fields import Members
from trio_stream.cometbft.queries import Generation

_CAPITALS: Final = ("DeliverTx", "EndBlock", "BeginBlock")
"""How 0.31 named the results."""


class Line(NamedTuple):
    """The manners of a release line."""

    generation: Generation = Generation.FROM_0_38
    """Whose rules its queries follow."""
    is_early: bool = False
    """Up to 0.32: ids of frames have a suffix, and every call is answered."""
    has_tags: bool = False
    """0.31: a key has one value."""


NEWEST: Final = Line()


def line_of(raw_results: Members) -> Line:
    """The line of the node that answered `block_results` with this."""
    nested = raw_results.get("results")
    return Line(
        (
            Generation.FROM_0_38
            if "finalize_block_events" in raw_results
            else Generation.UP_TO_0_37
        ),
        nested is not None,
        nested is not None and any(name in nested for name in _CAPITALS),
    )
