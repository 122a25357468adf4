"""POST /api/v1/transactions: from the body of the request to the answer.

The checks are in BigchainDB's order, since that decides which of several faults is reported: the
mode, the JSON text, the transaction by itself, the transaction against the committed state, and
only then the consensus engine. The engine is sent the JSON value rewritten in ASCII, with its
members in the order received, so that the bytes in the block don't depend on the client's encoding.

Mode `commit` does not use the engine's `broadcast_tx_commit`, which takes one of its hundred
subscriptions for each call. It broadcasts as `sync` does and waits on our own commit channel,
where the transaction appears as committed or refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from time import perf_counter
from typing import NamedTuple, Protocol

import trio

from trio_stream.channel.watches import TooManyWatches, Watch
from trio_stream.engine.broadcast import (
    BODY_BYTES,
    TRANSACTION_BYTES,
    CheckResult,
    EngineRefused,
    EngineUnavailable,
    Mode,
)
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.threads import IN_PLACE_BYTES, OneEach, Threads
from trio_stream.net.durations import Durations
from trio_stream.net.seldom import Seldom
from trio_stream.stream.events import CommitEvent
from trio_stream.transactions import canonical
from trio_stream.transactions.errors import (
    MalformedTransaction,
    SchemaValidationError,
    ValidationError,
)

logger = logging.getLogger(__name__)

_MODES = ("async", "sync", "commit")
_MODE_HELP = 'Mode must be "async", "sync" or "commit"'
# BigchainDB parses a body of these types as a form, and then finds no JSON in it.
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
# The JSON-RPC code of all errors that the engine's methods return.
_INTERNAL_ERROR = -32603

RETRY_SECONDS = 5
"""After which the engine may be reachable again."""

# BigchainDB's text, then three of the engine's, as BigchainDB's clients receive them.
INVALID = answers.error(500, "Transaction validation failed")
TIMED_OUT = answers.error(
    500, "Internal error - Timed out waiting for tx to be included in a block"
)
STOPPED = answers.error(
    500,
    "Internal error - deliverTxSub was cancelled (reason: Tendermint exited)",
)
TOO_MANY = answers.error(
    500,
    "Internal error - Error on broadcastTxCommit: max_subscription_clients reached",
)


class Examiner(Protocol):
    async def examine(self, raw: bytes) -> object:
        """Raise `ValidationError` unless `raw` may follow what is committed."""


class Broadcaster(Protocol):
    async def broadcast(self, mode: Mode, raw: bytes) -> CheckResult: ...


class Watched(Protocol):
    def watch(self, tx_sha256: bytes) -> AbstractContextManager[Watch]: ...


class Posts:
    """The posts since the start."""

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        """By status."""
        self.refused: Counter[str] = Counter()
        """Of transactions that were refused before the engine was asked, by error."""
        self.times = Durations()
        """How long answers took, the wait for a block in mode `commit` included."""

    def count(self, status: int, seconds: float) -> None:
        """Count one that was answered."""
        self.answers[status] += 1
        self.times.add(seconds)


class _Posted(NamedTuple):
    """A posted transaction: the bytes for the engine, and the answer once it has accepted them."""

    raw: bytes
    answer: bytes


class Submission:
    """Answers POST /api/v1/transactions."""

    def __init__(
        self,
        reader: Examiner,
        engine: Broadcaster,
        watched: Watched,
        *,
        commit_timeout: float,
        max_bytes: int = TRANSACTION_BYTES,
        threads: Threads | None = None,
        ended: Callable[[], object | None] = lambda: None,
    ) -> None:
        self.posts = Posts()
        self._reader = reader
        self._engine = engine
        self._watched = watched
        self._commit_timeout = commit_timeout
        self._max_bytes = max_bytes
        self._threads = threads or Threads()
        self._ended = ended
        self._one_each = OneEach()
        self._troubles = Seldom(logger, at_most=10)

    @property
    def peers(self) -> int:
        """How many peers have large posts in progress or in line."""
        return self._one_each.peers

    async def post(self, query: bytes, content_type: str, body: bytes) -> HttpAnswer:
        """The answer to a posted transaction; any input gets one."""
        began = perf_counter()
        answer = await self._post(query, content_type, body)
        self.posts.count(answer.status, perf_counter() - began)
        return answer

    async def _post(self, query: bytes, content_type: str, body: bytes) -> HttpAnswer:
        given = answers.parameters(query)
        modes = given.get("mode", ["async"])
        media_type = content_type.partition(";")[0].strip().lower()
        if any(mode not in _MODES for mode in modes):
            return answers.framework_error(400, {"mode": _MODE_HELP})
        if misspelt := answers.misspelt(given, ["mode"]):
            return misspelt
        if (ended := self._ended()) is not None:
            return answers.framework_error(503, str(ended))
        if media_type in _FORMS:
            return answers.UNREADABLE
        if len(body) > self._max_bytes:
            return _too_large(self._max_bytes)
        try:
            posted = await self._examined(body, media_type)
            if isinstance(posted, HttpAnswer):
                return posted
            refused = await self._send(modes[0], posted.raw)
        except ValidationError as error:
            self.posts.refused[type(error).__name__] += 1
            return _invalid(error)
        except EngineRefused as error:
            return _refused(error, modes[0])
        except EngineUnavailable as error:
            self._troubles.log(
                logging.WARNING, "a transaction could not be broadcast: %s", error
            )
            return _unavailable(error)
        return refused or HttpAnswer(202, posted.answer)

    async def _examined(self, body: bytes, media_type: str) -> _Posted | HttpAnswer:
        """The transaction in a body if it is valid; else the answer."""
        if len(body) <= IN_PLACE_BYTES:
            return await self._examine(body, media_type)
        async with self._one_each.turn():
            return await self._examine(body, media_type)

    async def _examine(self, body: bytes, media_type: str) -> _Posted | HttpAnswer:
        read = partial(_read, body, media_type)
        posted = await self._threads.run(read, size=len(body))
        if isinstance(posted, HttpAnswer):
            return posted
        if len(posted.raw) > self._max_bytes:
            return _too_large(self._max_bytes)
        await self._reader.examine(posted.raw)
        return posted

    async def _send(self, mode: str, raw: bytes) -> HttpAnswer | None:
        if mode == "commit":
            return await self._commit(raw)
        checked = await self._engine.broadcast(
            "sync" if mode == "sync" else "async", raw
        )
        return INVALID if checked.code else None

    async def _commit(self, raw: bytes) -> HttpAnswer | None:
        try:
            # Watch from before the broadcast, since the block may come before its answer.
            with self._watched.watch(hashlib.sha256(raw).digest()) as watch:
                if not await self._broadcast_to_wait(raw):
                    return INVALID
                with trio.move_on_after(self._commit_timeout):
                    outcome = await watch.wait()
                    return None if isinstance(outcome, CommitEvent) else INVALID
        except TooManyWatches:
            return TOO_MANY
        except trio.EndOfChannel:
            return STOPPED
        return TIMED_OUT

    async def _broadcast_to_wait(self, raw: bytes) -> bool:
        try:
            return (await self._engine.broadcast("sync", raw)).code == 0
        except EngineUnavailable as error:
            # Silence is not a refusal: if the transaction has arrived, a block will show it.
            if not error.may_have_arrived:
                raise
            self._troubles.log(
                logging.WARNING, "a broadcast was not answered: %s", error
            )
            return True


def _read(body: bytes, media_type: str) -> _Posted | HttpAnswer:
    """The transaction in a body, or the answer if it does not hold one."""
    try:
        value = _value(body)
    except (UnicodeDecodeError, MalformedTransaction):
        return answers.UNREADABLE
    except ValidationError as error:
        return _invalid(error)
    if _has_bad_mode(value, media_type):
        return answers.framework_error(400, {"mode": _MODE_HELP})
    return _Posted(json.dumps(value).encode("ascii"), answers.compact(value))


def _value(body: bytes) -> object:
    """The JSON value of a body in UTF-8, -16 or -32, with or without a byte order mark.

    Raises UnicodeDecodeError, `MalformedTransaction` if it is not JSON, or `NestingTooDeep`.
    """
    return canonical.load(body.decode(json.detect_encoding(body)))


def _has_bad_mode(value: object, media_type: str) -> bool:
    """Whether a JSON body has a wrong `mode`, which counts like the parameter."""
    is_json = media_type == answers.JSON or media_type.endswith("+json")
    if not is_json or not isinstance(value, dict) or "mode" not in value:
        return False
    return value["mode"] not in _MODES


def _too_large(max_bytes: int) -> HttpAnswer:
    return answers.framework_error(
        413,
        f"The transaction is too large: the node's RPC takes {max_bytes} bytes of it"
        f" (its max_body_bytes is {BODY_BYTES}, in base64)",
    )


def _unavailable(error: EngineUnavailable) -> HttpAnswer:
    if not error.is_busy:
        return answers.FAILED
    problem = (
        "did not answer in time, and may have taken the transaction all the same"
        if error.may_have_arrived
        else "cannot be reached, or has too much to do"
    )
    answer = answers.framework_error(503, f"The consensus node {problem}")
    return answer._replace(retry_after=RETRY_SECONDS)


def _invalid(error: ValidationError) -> HttpAnswer:
    if isinstance(error, SchemaValidationError):
        return answers.error(400, f"Invalid transaction schema: {error}")
    return answers.error(400, f"Invalid transaction ({type(error).__name__}): {error}")


def _refused(error: EngineRefused, mode: str) -> HttpAnswer:
    # Engines write this with or without a capital; programs compare the one with.
    data = "Tx already exists in cache" if error.already_known else error.data
    if mode == "commit" and error.code == _INTERNAL_ERROR:
        data = f"Error on broadcastTxCommit: {data}"
    status = 400 if error.already_known else 500
    return answers.error(status, f"{error.message} - {data}")
