"""What is known about bytes that claim to be a transaction, and a cache of it.

The same bytes are examined when they are posted, when the mempool asks, when it asks
again after a block, and when they are in a block. A Candidate holds what follows from
the bytes alone, worked out once, and nothing of any state. The cache knows bytes only
by their SHA-256: values that are equal in Python need not be equal on the wire (`1`,
`1.0`, `true`).
"""

from __future__ import annotations

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar

from trio_stream.transactions import canonical
from trio_stream.transactions.costs import judging_cost
from trio_stream.transactions.errors import Refusal, ValidationError
from trio_stream.transactions.fulfillments import PAUSE, Fulfillment, Prefix, Threshold
from trio_stream.transactions.ids import ID
from trio_stream.transactions.model import Input, Transaction, parse_value

# Measured on CPython 3.11, including the bytes themselves: a small CREATE takes 2 KB;
# the model is largest, 3.5 times its JSON, if inputs have neither owners nor
# signatures; nested fulfillments are largest as prefixes, 240 bytes each.
_OVERHEAD = 2_000
_PER_BYTE = 4
_PER_NODE = 300

_DEAR = 5_000
"""Microseconds of signatures that are worth a thread."""

REFUSED_SHARE = 16
"""Refused candidates may take at most this fraction (one in so many) of a cache's bytes.

Anyone who may post can have posts refused without end, at no cost, and the same bytes seldom come
again: room for one batch of checks, each of which is examined twice, is enough.
"""


T = TypeVar("T")


class InParallel(Protocol):
    """Calls a function with each item, as `map` does, possibly in several threads.

    Raises what the function raises.
    """

    def __call__(
        self, function: Callable[[T], None], items: Iterable[T], /
    ) -> Iterable[None]: ...


class Candidate:
    """The verdict on some bytes, as far as they alone decide it.

    Either `transaction` or `error` is set. `transaction_id` is the id that the bytes
    claim, true or not, if it has the form of an id. `document` is the transaction's JSON
    object, which takes much memory: it is None unless it was asked for.
    """

    __slots__ = (
        "sha256",
        "transaction",
        "transaction_id",
        "document",
        "_refusal",
        "_fulfilled",
    )

    def __init__(
        self, raw: bytes, sha256: bytes, *, with_document: bool = False
    ) -> None:
        self.sha256 = sha256
        self.transaction: Transaction | None = None
        self.document: dict[str, Any] | None = None
        self._refusal: Refusal | None = None
        self.transaction_id: str | None = None
        value: object = None
        try:
            value = canonical.decode(raw)
            self.transaction = parse_value(value, raw)
            self.transaction_id = self.transaction.id
            if with_document and isinstance(value, dict):
                self.document = value
        except ValidationError as error:
            self.transaction_id = _claimed_id(value)
            self._refusal = Refusal.of(error)
        inputs = () if self.transaction is None else self.transaction.inputs
        self._fulfilled: list[bool | None] = [None] * len(inputs)

    @property
    def error(self) -> ValidationError | None:
        """Why the bytes are refused in any state: a new error each time, to be raised."""
        return None if self._refusal is None else self._refusal.error()

    @property
    def is_verified(self) -> bool:
        """Whether all that `is_fulfilled` will answer is known."""
        return None not in self._fulfilled

    def is_fulfilled(self, index: int) -> bool:
        """Whether the fulfillment of an input is valid for its message."""
        known = self._fulfilled[index]
        if known is None:
            each = self._input(index)
            # A fulfillment without a canonical form is refused before its signatures count.
            is_writable = each.fulfillment.encode() is not None
            known = is_writable and each.fulfillment.validate(each.message)
            self._fulfilled[index] = known
            if (pause := PAUSE.get()) is not None:
                pause()
        return known

    def verify(self) -> None:
        """Work out now what `is_fulfilled` will answer."""
        for index, known in enumerate(self._fulfilled):
            if known is None:
                self.is_fulfilled(index)

    def fulfills(self, index: int, condition_uri: str | None) -> bool:
        """Whether an input meets this condition, with a valid fulfillment."""
        condition = self._input(index).fulfillment.condition()
        if condition is None or condition.uri != condition_uri:
            return False
        return self.is_fulfilled(index)

    def _input(self, index: int) -> Input:
        assert self.transaction is not None
        return self.transaction.inputs[index]


class _Kept:
    """Candidates and their weights by SHA-256, the least recently seen first."""

    def __init__(self) -> None:
        self.size = 0
        self._entries: OrderedDict[bytes, tuple[Candidate, int]] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries

    def see(self, key: bytes) -> Candidate | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, candidate: Candidate, weight: int) -> None:
        self._entries[candidate.sha256] = candidate, weight
        self.size += weight

    def take(self, key: bytes) -> tuple[Candidate, int] | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry[1]
        return entry

    def shrink(self, max_bytes: int) -> None:
        while self.size > max_bytes:
            _, (_, weight) = self._entries.popitem(last=False)
            self.size -= weight


class CandidateCache:
    """Candidates of the bytes seen last, as many as fit into `max_bytes`.

    Refused candidates get `REFUSED_SHARE` of that, and never displace more than that of the
    others. With a lock, several threads may use it; bytes are parsed outside of the lock.
    """

    def __init__(
        self,
        max_bytes: int,
        *,
        lock: AbstractContextManager[object] | None = None,
        in_parallel: InParallel = map,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_refused = max_bytes // REFUSED_SHARE
        self.in_parallel = in_parallel
        """What expensive candidates, and those of large blocks, are verified with."""
        self._lock = nullcontext() if lock is None else lock
        self._kept = _Kept()
        self._refused = _Kept()

    @property
    def size(self) -> int:
        """An estimate of the memory that the cached candidates take, in bytes."""
        return self._kept.size + self._refused.size

    def has(self, raw: bytes) -> bool:
        """Whether these bytes were examined recently."""
        key = hashlib.sha256(raw).digest()
        return key in self._kept or key in self._refused

    def examine(self, raw: bytes, *, keep: bool = True) -> Candidate:
        """The candidate of these bytes; an error is kept in it, not raised.

        Unless it is to be kept, a new one has its document.
        """
        key = hashlib.sha256(raw).digest()
        with self._lock:
            found = self._kept.see(key) or self._found_refused(key)
        if found is not None:
            return found
        if not keep:
            return Candidate(raw, key, with_document=True)
        candidate = Candidate(raw, key)
        weight = _weight(candidate, raw)
        with self._lock:
            if not (key in self._kept or key in self._refused):
                self._keep(candidate, weight, refused=candidate.transaction is None)
        return candidate

    def refuse(self, candidate: Candidate) -> None:
        """Note that the state refused a candidate; another state may accept it."""
        with self._lock:
            entry = self._kept.take(candidate.sha256)
            if entry is not None:
                self._keep(*entry, refused=True)

    def examine_all(self, raws: Iterable[bytes], *, within: int) -> list[Candidate]:
        """The candidates of all of these, with every signature already verified.

        Except those of a candidate whose signatures cost more than `within` microseconds.
        Parsing all, then verifying all, stays in the processor's caches: if the two
        alternate, a transaction costs a fifth more.
        """
        candidates = [self.examine(raw) for raw in raws]
        dear: list[Candidate] = []
        for candidate in candidates:
            cost = judging_cost(candidate.transaction)
            if cost > within:
                continue
            if cost > _DEAR:
                dear.append(candidate)
            else:
                candidate.verify()
        # Their order does not matter: each is verified by itself.
        for _ in self.in_parallel(Candidate.verify, dear):
            pass
        return candidates

    def _found_refused(self, key: bytes) -> Candidate | None:
        found = self._refused.see(key)
        # A candidate that only the state refused is judged again, and may be accepted now.
        if found is not None and found.transaction is not None:
            entry = self._refused.take(key)
            assert entry is not None
            self._keep(*entry, refused=False)
        return found

    def _keep(self, candidate: Candidate, weight: int, *, refused: bool) -> None:
        if weight > (self._max_refused if refused else self._max_bytes):
            return
        if refused:
            self._refused.put(candidate, weight)
            self._refused.shrink(self._max_refused)
        else:
            self._kept.put(candidate, weight)
        self._kept.shrink(self._max_bytes - self._refused.size)


def _claimed_id(value: object) -> str | None:
    claimed = value.get("id") if isinstance(value, dict) else None
    return claimed if isinstance(claimed, str) and ID.fullmatch(claimed) else None


def _weight(candidate: Candidate, raw: bytes) -> int:
    """The memory that caching a candidate takes, in bytes, rounded up."""
    transaction = candidate.transaction
    if transaction is None:
        return _OVERHEAD + sys.getsizeof(str(candidate.error))
    nodes = sum([_nodes(each.fulfillment) for each in transaction.inputs])
    return _OVERHEAD + _PER_BYTE * len(raw) + _PER_NODE * nodes


def _nodes(fulfillment: Fulfillment) -> int:
    """Fulfillments and conditions below this one."""
    if isinstance(fulfillment, Threshold):
        below = sum(map(_nodes, fulfillment.parts))
        return below + len(fulfillment.parts) + len(fulfillment.others)
    return 1 + _nodes(fulfillment.part) if isinstance(fulfillment, Prefix) else 0
