"""Posted transactions: what is answered when, and what reaches the engine."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scripts.signing import Key, create
from tests.conftest import VECTORS
from trio_stream.channel.watches import TooManyWatches, Watch
from trio_stream.engine.broadcast import (
    TRANSACTION_BYTES,
    CheckResult,
    EngineRefused,
    EngineUnavailable,
)
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.plain import whole
from trio_stream.http.submit import Submission
from trio_stream.http.threads import IN_PLACE_BYTES, PEER
from trio_stream.stream.events import CommitEvent, RefusalEvent
from trio_stream.transactions.candidate import Candidate
from trio_stream.transactions.errors import DoubleSpend

BOB = Key.from_seed(b"\2" * 32)
ASSET = create(Key.from_seed(b"\1" * 32), data={"z": 1, "a": "é"})
RAW = json.dumps(ASSET).encode()
COMPACT = json.dumps(ASSET, sort_keys=True, separators=(",", ":")).encode() + b"\n"
UNREADABLE = (
    b'{"message": "The browser (or proxy) sent a request that this server could not'
    b' understand."}\n'
)
BAD_MODE = (
    b'{"message": {"mode": "Mode must be \\"async\\", \\"sync\\" or \\"commit\\""}}\n'
)
JSON = "application/json"
SHA256 = hashlib.sha256(RAW).digest()
COMMITTED = CommitEvent(5, 0, ASSET["id"], ASSET["id"], SHA256)
REFUSED = RefusalEvent(5, 0, ASSET["id"], SHA256, "DoubleSpend", "")


class World:
    """The committed state, the engine and the channel, each as a test needs it."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.answer: CheckResult | Exception = CheckResult(0, "", "")
        self.sent: list[tuple[str, bytes]] = []
        self.watches: dict[bytes, Watch] = {}
        self.commit_at_once: CommitEvent | RefusalEvent | None = None
        self.full = False
        self.ended: str | None = None
        self.submission = Submission(
            self, self, self, commit_timeout=10, ended=lambda: self.ended
        )

    async def examine(self, raw: bytes) -> object:
        await trio.lowlevel.checkpoint()
        candidate = Candidate(raw, b"")
        if candidate.error or self.error:
            raise candidate.error or self.error or AssertionError
        return candidate

    async def broadcast(self, mode: str, raw: bytes) -> CheckResult:
        await trio.lowlevel.checkpoint()
        self.sent.append((mode, raw))
        if self.commit_at_once:
            self.decide(self.commit_at_once)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @contextmanager
    def watch(self, tx_sha256: bytes) -> Iterator[Watch]:
        if self.full:
            raise TooManyWatches
        self.watches[tx_sha256] = Watch()
        yield self.watches[tx_sha256]
        del self.watches[tx_sha256]

    def decide(self, outcome: CommitEvent | RefusalEvent | None) -> None:
        self.watches[SHA256].decide(outcome)

    async def post(
        self, body: bytes = RAW, query: str = "", type_: str = JSON
    ) -> HttpAnswer:
        return await self.submission.post(query.encode(), type_, body)


async def test_nothing_is_taken_once_the_chain_has_ended(world: World) -> None:
    world.ended = "the chain has ended"
    answer = await world.post(RAW, "mode=commit")
    assert answer.status == 503
    assert json.loads(answer.body) == {"message": "the chain has ended"}
    assert world.sent == []
    assert (await world.post(RAW, "mode=wrong")).status == 400
    assert world.submission.posts.answers == {503: 1, 400: 1}


@pytest.fixture
def world() -> World:
    return World()


def error(status: int, message: str) -> HttpAnswer:
    body = json.dumps({"message": message, "status": status}, separators=(",", ":"))
    return HttpAnswer(status, body.encode() + b"\n")


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("", "async"),
        ("mode=async", "async"),
        ("mode=sync", "sync"),
        ("mode=sync&mode=async", "sync"),
        ("foo=bar&m=x", "async"),
    ],
)
async def test_an_accepted_transaction_is_answered_as_it_was_posted(
    query: str, mode: str, world: World
) -> None:
    assert await world.post(query=query) == HttpAnswer(202, COMPACT)
    assert world.sent == [(mode, RAW)]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * (TRANSACTION_BYTES + 1),
        # Longer when it is written anew: blanks after commas, escapes.
        b"[%b1]" % (b"[]," * (TRANSACTION_BYTES // 3 - 1)),
        '"{}"'.format("é" * (TRANSACTION_BYTES // 2 - 1)).encode(),
    ],
)
async def test_a_transaction_beyond_the_engines_limit_is_refused(
    body: bytes, world: World
) -> None:
    answer = await world.post(body)
    assert answer.status == 413
    assert b"the node's RPC takes 749850 bytes" in answer.body
    assert b"its max_body_bytes is 1000000" in answer.body
    assert world.sent == []


async def test_the_largest_is_as_large_as_the_node_takes(world: World) -> None:
    padded = {**ASSET, "asset": {"data": {"a": ""}}}
    size = TRANSACTION_BYTES - len(json.dumps(padded))
    padded["asset"] = {"data": {"a": "x" * size}}
    assert (await world.post(json.dumps(padded).encode())).status == 400
    padded["asset"] = {"data": {"a": "x" * (size + 1)}}
    assert (await world.post(json.dumps(padded).encode())).status == 413


@pytest.mark.parametrize(
    "query", ["mode=", "mode=COMMIT", "mode=x", "mode=sync&mode=x", "mode=%00"]
)
async def test_another_mode_is_refused_before_all_else(
    query: str, world: World
) -> None:
    assert await world.post(b"no JSON", query) == HttpAnswer(400, BAD_MODE)


@pytest.mark.parametrize("name", ["Mode", "mod", "moed", "modes", "mode[]"])
async def test_a_misspelt_mode_does_not_select_another_one(
    name: str, world: World
) -> None:
    answer = await world.post(query=f"{name}=commit")
    message = f"Unknown arguments: {name}. Did you mean mode?"
    assert answer == HttpAnswer(400, b'{"message": "%b"}\n' % message.encode())
    assert not world.sent


@pytest.mark.parametrize(
    ("type_", "mode", "body"),
    [
        (JSON, "x", BAD_MODE),
        ("application/vnd.api+json; a=b", 5, BAD_MODE),
        (JSON, ["x"], BAD_MODE),
        ("text/plain", "x", None),
        (JSON, "sync", None),
    ],
)
async def test_a_mode_in_a_json_body_counts_as_the_parameter(
    type_: str, mode: object, body: bytes | None, world: World
) -> None:
    answer = await world.post(json.dumps({"mode": mode}).encode(), type_=type_)
    assert answer.status == 400
    if body is None:
        assert answer.body.startswith(b'{"message":"Invalid transaction ')
    else:
        assert answer.body == body


TEXT = json.dumps(ASSET, ensure_ascii=False)


@pytest.mark.parametrize(
    "body",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        TEXT.encode("utf-32-be"),
        b" \r\n\t" + json.dumps(ASSET, indent=2).encode() + b"\n",
    ],
)
@pytest.mark.parametrize("type_", [JSON, "", "text/plain", "image/png"])
async def test_json_is_recognised_in_all_its_encodings(
    body: bytes, type_: str, world: World
) -> None:
    assert await world.post(body, type_=type_) == HttpAnswer(202, COMPACT)
    assert world.sent == [("async", RAW)]


async def test_members_go_to_the_node_in_the_order_received(world: World) -> None:
    shuffled = dict(reversed(ASSET.items()))
    assert await world.post(json.dumps(shuffled).encode()) == HttpAnswer(202, COMPACT)
    assert world.sent == [("async", json.dumps(shuffled).encode())]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{} {}",
        b"{'a': 1}",
        b"\xff{}",
        b"\x00",
        b'"\xed\xa0\x80"',
        codecs.BOM_UTF16_LE + b"x",
        b"[" * 400,
    ],
)
async def test_what_is_not_json_cannot_be_understood(body: bytes, world: World) -> None:
    assert await world.post(body) == HttpAnswer(400, UNREADABLE)


@pytest.mark.parametrize(
    "type_",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "Application/X-WWW-Form-URLencoded ; charset=utf-8",
    ],
)
async def test_a_form_is_eaten(type_: str, world: World) -> None:
    assert await world.post(type_=type_) == HttpAnswer(400, UNREADABLE)


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b"1",
        b'"\\ud800"',
        b"NaN",
        b'{"id": NaN}',
        b'{"id": 1e400}',
        b'{"id": ' + b"9" * 10_000 + b"}",
        b'{"\\ud800": "\\udfff"}',
        b"[" * 600 + b"]" * 600,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"id": "' + b"x" * 100_000 + b'"}',
    ],
)
async def test_strange_json_is_a_refusal_with_a_reason(
    body: bytes, world: World
) -> None:
    answer = await world.post(body)
    assert answer.status == 400
    assert answer.body.startswith(b'{"message":"Invalid transaction')
    assert answer.body.endswith(b',"status":400}\n')
    assert world.sent == []


@pytest.mark.parametrize("path", sorted(VECTORS.glob("[ix][0-9]*.json")), ids=str)
async def test_no_recorded_refusal_is_an_internal_error(
    path: object, world: World
) -> None:
    vector = json.loads(path.read_text())  # type: ignore[attr-defined]
    text = vector.get("transaction_raw") or json.dumps(vector["transaction"])
    answer = await world.post(text.encode())
    # What depends on the state is accepted by this one, which has none.
    assert answer.status in (400, 202)


async def test_a_refusal_names_its_class(world: World) -> None:
    world.error = DoubleSpend("tx `x` has been spent")
    assert await world.post() == error(
        400, "Invalid transaction (DoubleSpend): tx `x` has been spent"
    )


@pytest.mark.parametrize("mode", ["sync", "async", "commit"])
async def test_refused_at_its_check_it_is_not_said_why(mode: str, world: World) -> None:
    world.answer = CheckResult(1, "reason", "")
    assert await world.post(query=f"mode={mode}") == error(
        500, "Transaction validation failed"
    )


CACHED = "tx already exists in cache"
FULL = "mempool is full: number of txs 5000 (max: 5000)"
TOO_LARGE = "Error reading request body: http: request body too large"


@pytest.mark.parametrize(
    ("mode", "refusal", "answer"),
    [
        (
            "async",
            EngineRefused("Internal error", CACHED, -32603),
            error(400, "Internal error - Tx already exists in cache"),
        ),
        (
            "commit",
            EngineRefused("Internal error", CACHED.replace("t", "T", 1), -32603),
            error(
                400,
                "Internal error - Error on broadcastTxCommit:"
                " Tx already exists in cache",
            ),
        ),
        (
            "sync",
            EngineRefused("Internal error", FULL, -32603),
            error(500, f"Internal error - {FULL}"),
        ),
        (
            "commit",
            EngineRefused("Internal error", FULL, -32603),
            error(500, f"Internal error - Error on broadcastTxCommit: {FULL}"),
        ),
        (
            "commit",
            EngineRefused("Invalid Request", TOO_LARGE, -32600),
            error(500, f"Invalid Request - {TOO_LARGE}"),
        ),
    ],
)
async def test_refusals_of_the_engine_are_passed_on(
    mode: str, refusal: EngineRefused, answer: HttpAnswer, world: World
) -> None:
    world.answer = refusal
    assert await world.post(query=f"mode={mode}") == answer


@pytest.mark.parametrize("mode", ["sync", "async", "commit"])
async def test_a_node_that_is_busy_is_to_be_asked_again(
    mode: str, world: World
) -> None:
    world.answer = EngineUnavailable("http://x: no answer", False, True)
    answer = await world.post(query=f"mode={mode}")
    assert (answer.status, answer.retry_after) == (503, 5)
    assert answer.more_headers == [("retry-after", "5")]
    assert b"The consensus node cannot be reached" in answer.body
    assert b"retry-after: 5\r\n" in whole(answer, None)


async def test_large_ones_of_one_peer_are_judged_one_by_one(world: World) -> None:
    at_once: Counter[str | None] = Counter()
    most: Counter[str | None] = Counter()
    arrived, go_on = trio.Event(), trio.Event()

    async def examine(raw: bytes) -> None:
        peer = PEER.get()
        at_once[peer] += 1
        most[peer] = max(most[peer], at_once[peer])
        if sum(at_once.values()) == 7:
            arrived.set()
        await go_on.wait()
        at_once[peer] -= 1

    world.examine = examine  # type: ignore[method-assign]
    large = json.dumps(create(BOB, metadata={"a": "x" * IN_PLACE_BYTES})).encode()

    async def post(peer: str | None, body: bytes) -> None:
        PEER.set(peer)
        assert (await world.post(body)).status == 202

    async with trio.open_nursery() as nursery:
        for peer in ("a", "b", None):
            for _ in range(3):
                nursery.start_soon(post, peer, large)
        for _ in range(2):
            nursery.start_soon(post, "c", RAW)
        await arrived.wait()
        go_on.set()
    assert most == {"a": 1, "b": 1, None: 3, "c": 2}
    assert world.submission.peers == 0


@pytest.mark.parametrize("mode", ["sync", "async", "commit"])
async def test_an_engine_that_makes_no_sense_is_an_error_and_a_log_line(
    mode: str, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.answer = EngineUnavailable("http://x: refused", False)
    answer = await world.post(query=f"mode={mode}")
    assert answer == HttpAnswer(500, b'{"message": "Internal Server Error"}\n')
    assert "http://x: refused" in caplog.text


async def test_posts_that_no_engine_takes_do_not_fill_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.answer = EngineUnavailable("http://x: no answer", False, True)
    for _ in range(50):
        assert (await world.post(query="mode=sync")).status == 503
    lines = [r for r in caplog.records if r.levelname == "WARNING"]
    assert 0 < len(lines) <= 10


async def test_commit_waits_for_the_block(world: World) -> None:
    answers: list[HttpAnswer] = []

    async def post() -> None:
        answers.append(await world.post(query="mode=commit"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(post)
        await wait_all_tasks_blocked()
        assert answers == [] and world.sent == [("sync", RAW)]
        world.decide(COMMITTED)
    assert answers == [HttpAnswer(202, COMPACT)]
    assert world.watches == {}


async def test_a_block_may_be_faster_than_the_answer_of_the_node(world: World) -> None:
    world.commit_at_once = COMMITTED
    assert (await world.post(query="mode=commit")).status == 202


async def test_refused_in_its_block_it_is_not_said_why(world: World) -> None:
    world.commit_at_once = REFUSED
    assert await world.post(query="mode=commit") == error(
        500, "Transaction validation failed"
    )


async def test_a_block_that_does_not_come_is_waited_for_ten_seconds(
    world: World, autojump_clock: MockClock
) -> None:
    start = trio.current_time()
    assert await world.post(query="mode=commit") == error(
        500, "Internal error - Timed out waiting for tx to be included in a block"
    )
    assert trio.current_time() - start == pytest.approx(10)
    assert world.watches == {}


async def test_silence_of_the_engine_is_not_a_refusal_if_the_block_comes(
    world: World,
) -> None:
    world.answer = EngineUnavailable("http://x: no answer within 15 s", True)
    world.commit_at_once = COMMITTED
    assert (await world.post(query="mode=commit")).status == 202


async def test_when_the_channel_ends_the_waiting_is_over(world: World) -> None:
    async def end() -> None:
        await wait_all_tasks_blocked()
        world.decide(None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end)
        assert await world.post(query="mode=commit") == error(
            500,
            "Internal error - deliverTxSub was cancelled (reason: Tendermint exited)",
        )


async def test_too_many_waiting_posts_are_refused(world: World) -> None:
    world.full = True
    assert await world.post(query="mode=commit") == error(
        500,
        "Internal error - Error on broadcastTxCommit: max_subscription_clients reached",
    )
    assert world.sent == []


async def test_posts_are_counted_by_their_answers(world: World) -> None:
    await world.post()
    await world.post(query="mode=other")
    await world.post(b"{}")
    posts = world.submission.posts
    assert posts.answers == {202: 1, 400: 2}
    assert posts.refused == {"InvalidHash": 1}
    assert posts.times.distribution().up_to[-1] == 3
