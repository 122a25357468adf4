"""Asks the consensus engine to broadcast a transaction: JSON-RPC over HTTP.

Ten releases of engines answer differently; this makes their answers one. If the application refuses
a transaction at its check, that is a `CheckResult` with a code, whether the engine sends a result
or, as CometBFT 1.0 does, an error. If the engine itself refuses it, that is `EngineRefused`.
Everything else is `EngineUnavailable`, which says whether the engine may have taken the transaction
nevertheless: an engine drops a caller without a word if its answer would take longer than about
eleven seconds, so silence is never a refusal.

Broadcasting twice is harmless, because the engine's cache of known transactions refuses the second
copy. After a repeated request that refusal means that the first copy had arrived, and counts as
success.
"""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import trio
from outcome import Error, Outcome, Value, capture

from trio_stream.engine.batches import Batches
from trio_stream.engine.rpc import EngineUnavailable, RpcConnections, RpcStatistics

__all__ = ["CheckResult", "Mode", "EngineClient", "EngineRefused", "EngineUnavailable"]

logger = logging.getLogger(__name__)

Mode = Literal["async", "sync"]

BODY_BYTES = 1_000_000
"""The default of the engine's `rpc.max_body_bytes`: the size of a request's JSON."""
TRANSACTION_BYTES = (BODY_BYTES - 200) // 4 * 3
"""The largest transaction that fits into that; the mempool would take a little more, 1 MiB."""

# "Tx ..." up to Tendermint 0.32, "tx ..." since; the second is said by the app mempool.
_KNOWN = re.compile(r"tx already exists in cache|tx already seen", re.IGNORECASE)
# CometBFT 1.0 reports as an error what earlier releases return as a result with a code.
_CHECK_FAILED = "broadcast error on transaction validation"
_CODE = re.compile(r"\bcode=(\d+)")


class EngineRefused(Exception):
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
        """Whether the engine has exactly these bytes in its cache."""
        return _KNOWN.search(self.data) is not None


class CheckResult(NamedTuple):
    """The engine's verdict on a transaction; code 0 is acceptance."""

    code: int
    log: str
    hash: str


class ClientStatistics(NamedTuple):
    """What `EngineClient.statistics` returns."""

    connections: RpcStatistics
    callers_in_line: int
    """Broadcasts in mode "async" that wait for a request to go with."""


class EngineClient:
    """Calls one engine over at most `max_connections`, for at most `timeout` seconds a call."""

    def __init__(self, url: str, *, max_connections: int, timeout: float) -> None:
        self._connections = RpcConnections(
            url, max_connections=max_connections, timeout=timeout
        )
        self._timeout = timeout
        self._numbers = itertools.count(1)
        # The other half is for callers that wait for a verdict.
        self._together: Batches[CheckResult] = Batches(
            self._ask_together, requests=max(1, max_connections // 2)
        )

    def statistics(self) -> ClientStatistics:
        """How many connections there are, and how many wait; all zero at rest but the idle."""
        in_line = self._together.statistics().callers_in_line
        return ClientStatistics(self._connections.statistics(), in_line)

    async def broadcast(self, mode: Mode, raw: bytes) -> CheckResult:
        """Give the engine a transaction; takes at most `timeout` seconds.

        In mode "sync" the code is the application's verdict; "async" does not wait for that. Raises
        `EngineRefused`, `EngineUnavailable`.
        """
        if mode == "sync":
            return await self._one(mode, raw)
        try:
            with trio.fail_after(self._timeout):
                return await self._together.ask(raw)
        except trio.TooSlowError as error:
            late = f"no answer within {self._timeout:g} s"
            raise EngineUnavailable(late, True, True) from error

    async def aclose(self) -> None:
        """Close the idle connections; calls in flight still finish."""
        await self._connections.aclose()

    async def _one(self, mode: Mode, raw: bytes) -> CheckResult:
        number, call = self._call(mode, raw)
        answer, repeated = await self._ask(call)
        return _result(number, answer, repeated=repeated)

    async def _ask_together(
        self, raws: Sequence[bytes]
    ) -> list[Outcome[CheckResult]] | None:
        """The outcome of each, from one request; None if the engine takes fewer calls at once."""
        if len(raws) == 1:
            return [await self._captured(raws[0])]
        calls = [self._call("async", raw) for raw in raws]
        body = b"[%b]" % b", ".join(call for _, call in calls)
        try:
            answers, repeated = await self._ask(body)
        except EngineUnavailable as error:
            return [Error(error.again()) for _ in raws]
        if not isinstance(answers, list):
            # One error for all: this engine takes fewer calls at once.
            logger.info("the engine does not accept batches: %.200r", answers)
            return None
        known = {
            str(each.get("id")): each for each in answers if isinstance(each, dict)
        }
        return [
            capture(_result, number, known.get(number), repeated=repeated)
            for number, _ in calls
        ]

    async def _captured(self, raw: bytes) -> Outcome[CheckResult]:
        try:
            return Value(await self._one("async", raw))
        except (EngineRefused, EngineUnavailable) as error:
            return Error(error)

    def _call(self, mode: Mode, raw: bytes) -> tuple[str, bytes]:
        """A call and its id. Written by hand, because encoding a megabyte as JSON takes long."""
        # Never empty: engines don't answer a call without an id.
        number = str(next(self._numbers))
        text = b'{"method": "broadcast_tx_%b", "jsonrpc": "2.0", "id": "%b", "params": ["%b"]}'
        parts = mode.encode("ascii"), number.encode("ascii"), base64.b64encode(raw)
        return number, text % parts

    async def _ask(self, body: bytes) -> tuple[object, bool]:
        text, repeated = await self._connections.post(body)
        try:
            return json.loads(text), repeated
        except (ValueError, RecursionError) as error:
            reason = f"the answer is not JSON: {text[:80]!r}"
            raise EngineUnavailable(reason, True) from error


def _result(number: str, answer: object, *, repeated: bool) -> CheckResult:
    """The result in the answer to a call."""
    if not isinstance(answer, dict):
        raise EngineUnavailable("the batch was answered without this call", True)
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
            # It would hold this frame.
            del refused
    # Only an error about the request as a whole lacks the id.
    if answer.get("id") != number:
        raise EngineUnavailable("the answer is to another call", True)
    result = answer.get("result")
    if not isinstance(result, dict):
        raise EngineUnavailable("the answer has no result", True)
    code, log, hash_ = (result.get(name) for name in ("code", "log", "hash"))
    return CheckResult(
        code if isinstance(code, int) else 0,
        log if isinstance(log, str) else "",
        hash_ if isinstance(hash_, str) else "",
    )


def _refusal(error: object) -> EngineRefused:
    if not isinstance(error, dict):
        raise EngineUnavailable("the error is not an object", True)
    code = error.get("code")
    return EngineRefused(
        # BigchainDB's own text if the engine says nothing.
        str(error.get("message", "Internal Error")),
        str(error.get("data", "")),
        code if isinstance(code, int) else 0,
    )
