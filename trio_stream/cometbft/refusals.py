"""What a node means by its error: all have the same code, and only the text tells them apart.

The texts are those of `rpc/core` and `state/errors.go` of each release. A text that is not known
here is a plain Refusal.
"""

from __future__ import annotations

import re

from trio_stream.cometbft.errors import (
    BatchTooLong,
    BrokenRecord,
    HeightInFuture,
    HeightNotPositive,
    Pruned,
    Refusal,
    ResultsDiscarded,
    ResultsNotThere,
    TooManySubscriptions,
    UnknownMethod,
)

METHOD_NOT_FOUND = -32601


def _text(pattern: str) -> re.Pattern[str]:
    # Releases before 0.33 begin with a capital letter.
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


NUMBERED = (
    # From 0.33 on the node's tip follows.
    (
        _text(
            r"must be less than or equal to the current blockchain height ?(\d{0,19})"
        ),
        HeightInFuture,
    ),
    (
        _text(
            r"is not available, (?:lowest height is|blocks pruned at height) (\d{1,19})"
        ),
        Pruned,
    ),
    (_text(r"batch request exceeds maximum \((\d{1,19})\)"), BatchTooLong),
)
"""The texts with a number that is worth having."""

PLAIN = (
    (_text(r"height must be greater than 0"), HeightNotPositive),
    (_text(r"could not find results for height"), ResultsNotThere),
    (_text(r"node is not persisting"), ResultsDiscarded),
    (_text(r"failed to unmarshall? finalizeblockresponse"), BrokenRecord),
    (
        _text(r"max_subscription(?:s_per_client|_clients) \d+ reached"),
        TooManySubscriptions,
    ),
)


def refusal(text: str, code: int = 0) -> Refusal:
    """The error that this text stands for."""
    if code == METHOD_NOT_FOUND:
        return UnknownMethod(text, code)
    for pattern, numbered in NUMBERED:
        if found := pattern.search(text):
            return numbered(text, code, int(found[1]) if found[1] else None)
    for pattern, plain in PLAIN:
        if pattern.search(text):
            return plain(text, code)
    return Refusal(text, code)
