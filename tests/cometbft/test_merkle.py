from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from trio_stream.cometbft import merkle


def by_the_rfc(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = by_the_rfc(leaves[:split]), by_the_rfc(leaves[split:])
    return sha256(b"\1" + left + right).digest()


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_the_tree_has_the_shape_of_the_rfc(leaves: list[bytes]) -> None:
    assert merkle.root(iter(leaves)) == by_the_rfc(leaves)
