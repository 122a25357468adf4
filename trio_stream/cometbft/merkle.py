"""The Merkle tree that block hashes are made of: RFC 6962, with SHA-256.

Leaves and inner nodes are hashed with different first bytes, and the left subtree holds the largest
power of two that leaves something to the right.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

EMPTY = sha256(b"").digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """The hash of the tree above those leaves, in one pass.

    Complete subtrees wait on a stack, each smaller than the one below it; two of a size become one
    at once. What is left at the end is joined from the smallest up, which is the shape that the RFC
    asks for.
    """
    stack: list[tuple[int, bytes]] = []
    for leaf in leaves:
        size, node = 1, sha256(b"\0" + leaf).digest()
        while stack and stack[-1][0] == size:
            node = sha256(b"\1" + stack.pop()[1] + node).digest()
            size *= 2
        stack.append((size, node))
    if not stack:
        return EMPTY
    _, node = stack.pop()
    while stack:
        node = sha256(b"\1" + stack.pop()[1] + node).digest()
    return node
