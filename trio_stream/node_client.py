"""Asks the consensus node to broadcast a transaction: JSON-RPC over HTTP.

Ten releases of the engine answer differently; here they are made one. What the
application refused at its check is a `CheckResult` with a code, whether the engine sends
a result or, as CometBFT 1.0 does, an error. What the engine itself refused is
`NodeRefused`. Everything else is `NodeUnavailable`, which says whether the node may have
taken the transaction all the same: an engine drops a caller without a word when its
answer comes later than about eleven seconds, so silence is never a refusal.

To broadcast twice is harmless, since the engine's cache of seen transactions refuses the
second copy. After a repeated request that refusal means that the first copy had arrived,
and counts as success.
"""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import trio
from outcome import Error, Outcome, Value, capture

from trio_stream.gathering import Gathering
from trio_stream.node_connections import NodeConnections, NodeUnavailable

__all__ = ["CheckResult", "Mode", "NodeClient", "NodeRefused", "NodeUnavailable"]

logger = logging.getLogger(__name__)

Mode = Literal["async", "sync"]

BODY_BYTES = 1_000_000
"""The engine's `rpc.max_body_bytes`, if nobody has changed it: of a request's JSON."""
TRANSACTION_BYTES = (BODY_BYTES - 200) // 4 * 3
"""What goes into that; its mempool would take a little more, 1 MiB."""

# Broadcasts that wait for a turn go together: engines take ten calls in a request, and a
# million bytes of them, where base64 makes four of three.
BATCH_CALLS = 10
BATCH_BYTES = 600_000
BATCH_TURNS = 1

# "Tx ..." to Tendermint 0.32, "tx ..." since; the second is that of the app mempool.
_KNOWN = re.compile(r"tx already exists in cache|tx already seen", re.IGNORECASE)
# CometBFT 1.0 makes an error of what its forerunners return as a result with a code.
_CHECK_FAILED = "broadcast error on transaction validation"
_CODE = re.compile(r"\bcode=(\d+)")


class NodeRefused(Exception):
    """The engine answered with an error before the application was asked."""

    def __init__(self, message: str, data: str, code: int) -> None:
        super().__init__(message, data, code)
        self.message = message
        self.data = data
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} - {self.data}"

    @property
    def already_known(self) -> bool:
        """Whether the engine has these very bytes in its cache."""
        return _KNOWN.search(self.data) is not None


class CheckResult(NamedTuple):
    """What the engine says of a transaction that it was given; code 0 is acceptance."""

    code: int
    log: str
    hash: str


class _Waiting(NamedTuple):
    raw: bytes
    since: float


class NodeClient:
    """Calls one engine over at most `max_connections`, each call within `timeout` seconds."""

    def __init__(self, url: str, *, max_connections: int, timeout: float) -> None:
        self._connections = NodeConnections(
            url, max_connections=max_connections, timeout=timeout
        )
        self._timeout = timeout
        self._numbers = itertools.count(1)
        self._batches = True
        self._together: Gathering[_Waiting, CheckResult] = Gathering(
            self._in_turn, turns=BATCH_TURNS, limit=BATCH_CALLS
        )

    async def broadcast(self, mode: Mode, raw: bytes) -> CheckResult:
        """Give the node a transaction.

        In mode "sync" the code is the application's verdict; "async" does not wait for
        it. Raises `NodeRefused`, `NodeUnavailable`.
        """
        if mode == "async" and self._batches:
            return await self._together.ask(_Waiting(raw, trio.current_time()))
        return await self._one(mode, raw)

    async def aclose(self) -> None:
        """Close the resting connections; calls that are under way still end."""
        await self._connections.aclose()

    async def _one(self, mode: Mode, raw: bytes) -> CheckResult:
        call = self._call(mode, raw)
        answer, repeated = await self._ask(call)
        return _result(call, answer, repeated=repeated)

    async def _in_turn(self, waiting: Sequence[_Waiting]) -> list[Outcome[CheckResult]]:
        # Behind a node that hangs each turn takes its time, and those in line have theirs.
        now = trio.current_time()
        in_time = [now - each.since <= self._timeout for each in waiting]
        raws = [each.raw for each, ok in zip(waiting, in_time, strict=True) if ok]
        if len(raws) > 1 and self._batches and sum(map(len, raws)) <= BATCH_BYTES:
            outcomes = iter(await self._several(raws))
        else:
            outcomes = iter([await self._captured(raw) for raw in raws])
        late = f"no turn came within {self._timeout:g} s"
        return [
            next(outcomes) if ok else Error(NodeUnavailable(late, False))
            for ok in in_time
        ]

    async def _several(self, raws: Sequence[bytes]) -> list[Outcome[CheckResult]]:
        """What the node makes of each, in one request."""
        calls = [self._call("async", raw) for raw in raws]
        answers, repeated = await self._ask(calls)
        if not isinstance(answers, list):
            # One error for all: this node takes fewer calls at once.
            logger.info("the node takes no batch: %.200r", answers)
            self._batches = False
            return [await self._captured(raw) for raw in raws]
        known = {
            str(each.get("id")): each for each in answers if isinstance(each, dict)
        }
        return [
            capture(_result, call, known.get(call["id"]), repeated=repeated)
            for call in calls
        ]

    async def _captured(self, raw: bytes) -> Outcome[CheckResult]:
        try:
            return Value(await self._one("async", raw))
        except (NodeRefused, NodeUnavailable) as error:
            return Error(error)

    def _call(self, mode: Mode, raw: bytes) -> dict[str, Any]:
        return {
            "method": f"broadcast_tx_{mode}",
            "jsonrpc": "2.0",
            "params": [base64.b64encode(raw).decode("ascii")],
            # Never empty: engines answer nothing to a call without an id.
            "id": str(next(self._numbers)),
        }

    async def _ask(self, calls: object) -> tuple[object, bool]:
        text, repeated = await self._connections.post(json.dumps(calls).encode("ascii"))
        try:
            return json.loads(text), repeated
        except (ValueError, RecursionError) as error:
            reason = f"an answer that is not JSON: {text[:80]!r}"
            raise NodeUnavailable(reason, True) from error


def _result(call: Mapping[str, Any], answer: object, *, repeated: bool) -> CheckResult:
    """What an answer says of the call that it answers."""
    if not isinstance(answer, dict):
        raise NodeUnavailable("no answer to this call", True)
    if answer.get("error"):
        refused = _refusal(answer["error"])
        if refused.already_known and repeated:
            return CheckResult(0, "", "")
        if refused.data.startswith(_CHECK_FAILED):
            found = _CODE.search(refused.data)
            return CheckResult(int(found[1]) if found else 1, refused.data, "")
        try:
            raise refused
        finally:
            # It holds this frame.
            del refused
    # Only an error about the request as a whole comes without its id.
    if answer.get("id") != call["id"]:
        raise NodeUnavailable("an answer to another call", True)
    result = answer.get("result")
    if not isinstance(result, dict):
        raise NodeUnavailable("an answer without a result", True)
    code, log, hash_ = (result.get(name) for name in ("code", "log", "hash"))
    return CheckResult(
        code if isinstance(code, int) else 0,
        log if isinstance(log, str) else "",
        hash_ if isinstance(hash_, str) else "",
    )


def _refusal(error: object) -> NodeRefused:
    if not isinstance(error, dict):
        raise NodeUnavailable("an error that is no object", True)
    code = error.get("code")
    return NodeRefused(
        # What BigchainDB puts where the engine says nothing.
        str(error.get("message", "Internal Error")),
        str(error.get("data", "")),
        code if isinstance(code, int) else 0,
    )
