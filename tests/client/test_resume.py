"""Where a client goes on, and what the answers of servers mean to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scripted_feed import Message, gap, unit
from tests.scripted_server import BEGINNING, end_of
from trio_stream.client.messages import Gap, parse, part_of
from trio_stream.client.resume import (
    FIRST_DELAY,
    LONGEST_DELAY,
    LONGEST_RETRY_AFTER,
    Progress,
    Route,
)
from trio_stream.client.verdicts import (
    Closed,
    Lost,
    NotResumable,
    Refused,
    Rejected,
    ServerFault,
    closing,
    refusal,
    refusal_notice,
)

URL = "ws://a"


@given(st.integers(1, 4), st.floats(0, 1), st.integers(0, 300))
def test_delays_are_jittered_and_bounded(
    servers: int, jitter: float, failures: int
) -> None:
    route = Route([str(n) for n in range(servers)], jitter=lambda: jitter)
    for number in range(failures):
        assert route.url == str(number % servers)
        ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (number // servers))
        assert ceiling / 2 <= route.failed() <= ceiling
    route.worked()
    assert route.failed() <= FIRST_DELAY


def test_a_retry_after_counts_once_all_servers_have_been_asked() -> None:
    route = Route(["a", "b"], jitter=lambda: 1.0)
    assert route.failed(retry_after=10) == FIRST_DELAY
    assert route.failed() == FIRST_DELAY + 10
    assert route.failed() == 2 * FIRST_DELAY
    assert route.failed(retry_after=10**9) == 2 * FIRST_DELAY + LONGEST_RETRY_AFTER


def test_a_retry_after_is_forgotten_when_a_server_works() -> None:
    route = Route(["a", "b"], jitter=lambda: 1.0)
    route.failed(retry_after=10)
    route.worked()
    assert max(route.failed(), route.failed()) == FIRST_DELAY


def test_it_stays_where_it_works() -> None:
    route = Route(["a", "b"])
    route.failed()
    route.worked()
    assert route.url == "b"


places = st.tuples(st.integers(1, 3), st.integers(0, 2))


@given(st.lists(places))
def test_steps_lead_forward_or_are_faults(steps: list[tuple[int, int]]) -> None:
    progress = Progress()
    progress.begin(URL, {"stream-position": "0::"})
    reached = (0, 0)
    for height, index in steps:
        text = f"{height}:{index}:abcdef12"
        if (height, index) > reached:
            assert progress.advance(URL, text) == text
            assert progress.parameters() == [("after", text)]
            reached = (height, index)
        else:
            with pytest.raises(ServerFault):
                progress.advance(URL, text)


units = st.lists(st.tuples(st.booleans(), st.integers(1, 4)), min_size=1, max_size=5)


@given(units, st.lists(st.integers(0, 6), max_size=12))
def test_wherever_a_connection_ends_each_event_arrives_once(
    shapes: list[tuple[bool, int]], cuts: list[int]
) -> None:
    every = [
        event
        for height, (at_end, count) in enumerate(shapes, 1)
        for event in unit(height, None if at_end else 0, count)
    ]
    begins = {BEGINNING: 0} | {
        str(event["position"]): number
        for number, event in enumerate(every, 1)
        if "position" in event
    }
    progress, got = Progress(after=BEGINNING), []
    for cut in [*cuts, len(every)]:
        progress.begin(URL, {"stream-position": str(progress.text)})
        start = begins[str(progress.text)]
        for event in every[start : start + cut]:
            reached = take(progress, event)
            if reached is not None:
                got.append(event)
                assert reached in begins
                assert progress.is_within is ("position" not in event)
    assert got == every


def take(progress: Progress, event: Message) -> str | None:
    part = part_of(event)
    assert part is not None
    return progress.take(URL, part, event.get("position"))


FIRST, SECOND, THIRD = unit(5, 0, 3)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([FIRST, FIRST], "event 0 of 5:0 after event 0 of 5:0"),
        ([SECOND, FIRST], "event 0 of 5:0 after event 2 of 5:0"),
        ([*unit(5, 0, 1), FIRST], "event 0 of 5:0 again, after 5:0:"),
        ([*unit(5, None, 1), FIRST], "event 0 of 5:0 again, after 5::"),
        ([FIRST, *unit(5, 1, 1)], "went on to 5:1 before the last event of 5:0"),
        ([FIRST, None, SECOND], "event 2 of 5:0, but not event 0 of 5:0 as before"),
        ([SECOND, None, *unit(5, 0, 1)], "event 0 of 5:0, but not event 2 of 5:0"),
        ([FIRST, None, *unit(6, 0, 1)], "went on to 6:0 before the last event of 5:0"),
        (
            [THIRD | {"position": "5:1:abcdef12"}],
            "event 4 of 5:0 with the position 5:1",
        ),
        ([THIRD | {"position": "earliest"}], "'earliest' instead of a position"),
    ],
)
def test_events_of_a_position_come_whole_and_in_order(
    messages: Sequence[Message | None], told: str
) -> None:
    progress = Progress()
    progress.begin(URL, {"stream-position": BEGINNING})
    with pytest.raises(ServerFault, match=told):
        for message in messages:
            if message is None:
                progress.begin(URL, {"stream-position": BEGINNING})
            else:
                take(progress, message)


@pytest.mark.parametrize(
    ("reached", "told"),
    [
        ("3::", "went back to 3::"),
        ("5:0:abcdef12", "went on to 5:0 before the last event of 5:0"),
        (end_of(5), "went on to 5 before the last event of 5:0"),
    ],
)
def test_notices_within_a_position_do_not_leave_it(reached: str, told: str) -> None:
    progress = Progress()
    progress.begin(URL, {"stream-position": BEGINNING})
    take(progress, FIRST)
    progress.stand(URL, end_of(4))
    with pytest.raises(ServerFault, match=told):
        progress.stand(URL, reached)
    assert progress.parameters() == [("after", end_of(4))]
    progress.begin(URL, {"stream-position": end_of(4)})
    assert [take(progress, each) for each in (FIRST, SECOND)] == [None, end_of(4)]


def test_a_message_of_another_kind_does_not_end_a_position() -> None:
    progress = Progress()
    progress.begin(URL, {"stream-position": BEGINNING})
    take(progress, FIRST)
    with pytest.raises(ServerFault, match="went on to 5:0 before the last event"):
        progress.advance(URL, "5:0:abcdef12")


def test_the_rest_of_a_position_may_be_missing_at_another_server() -> None:
    progress = Progress()
    progress.begin(URL, {"stream-position": BEGINNING})
    take(progress, FIRST)
    progress.begin(URL, {"stream-position": BEGINNING})
    message = parse(json.dumps(gap(4, 7)))
    assert isinstance(message, Gap)
    progress.leave(message.first)
    assert progress.advance(URL, message["position"]) == "7"
    assert not progress.is_within


def test_missing_blocks_after_an_unfinished_position_are_no_excuse() -> None:
    progress = Progress()
    progress.begin(URL, {"stream-position": BEGINNING})
    take(progress, FIRST)
    progress.leave(6)
    with pytest.raises(ServerFault, match="went on to 7 before the last event of 5:0"):
        progress.advance(URL, "7")


def test_no_server_has_it_if_each_one_lacks_it() -> None:
    route = Route(["a", "b"])
    lacking = []
    for _ in range(3):
        lacking.append(route.lacks())
        route.failed()
        # What one server has moves the stream on, and then another may have the rest.
        if len(lacking) == 1:
            route.worked()
    assert lacking == [False, False, True]


def test_the_end_is_known_when_its_block_is() -> None:
    progress = Progress(from_height=1, until="tip")
    assert progress.ends
    progress.begin(URL, {"stream-position": "0::", "stream-tip": "3"})
    for text, finished in (("3:9:abcdef12", False), ("3::abcdef12", True)):
        progress.stand(URL, text)
        assert progress.finished is finished
    assert progress.parameters() == [("after", "3::abcdef12"), ("until", "3")]


@pytest.mark.parametrize("headers", [{}, {"stream-oldest": "x"}])
def test_another_beginning_needs_its_reason(headers: dict[str, str]) -> None:
    progress = Progress(after="0::")
    with pytest.raises(
        ServerFault, match="begins at 9::, although it was asked to begin after 0::"
    ):
        progress.begin(URL, {"stream-position": "9::", **headers})


def test_a_stream_without_an_end_is_never_finished() -> None:
    progress = Progress(after="9")
    assert not progress.ends
    assert not progress.finished


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error": "ahead", "message": "not yet"}', "refused with 503: not yet"),
        (b'{"error": "ahead"}', "refused with 503: ahead"),
        (b"503: Too many\nsubscribers", "refused with 503: 503: Too many subscribers"),
        (b"[1]", "refused with 503: [1]"),
        (b"\xff", "refused with 503: \ufffd"),
        (b"", "refused with 503: no reason given"),
    ],
)
def test_the_reason_of_a_refusal_is_found(body: bytes, reason: str) -> None:
    assert str(refusal(URL, Rejected(503, {}, body))) == reason


@pytest.mark.parametrize(
    ("value", "seconds"), [("10", 10), ("", 0), ("Tue, 1 Jan", 0), ("-1", 0), ("²", 0)]
)
def test_retry_after_is_read_in_seconds(value: str, seconds: int) -> None:
    lost = refusal(URL, Rejected(503, {"retry-after": value}, b""))
    assert isinstance(lost, Lost)
    assert Fraction(lost.retry_after) == seconds


@pytest.mark.parametrize("status", [400, 409])
def test_only_refusals_that_another_attempt_cannot_change_are_final(
    status: int,
) -> None:
    said = {"notice": "refused", "status": status, "message": "so"}
    for verdict in (
        refusal(URL, Rejected(status, {}, b"so")),
        refusal_notice(URL, said),
        closing(URL, Closed(4000 + status, "so"), until=True),
    ):
        assert isinstance(verdict, Refused)
        assert str(verdict) == f"ws://a refused with {status}: so"


def test_a_refusal_without_a_status_is_not_final() -> None:
    assert isinstance(refusal_notice(URL, {"notice": "refused"}), Lost)


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (1001, None, "closed with 1001"),
        (1011, "no pong", "closed with 1011 no pong"),
        (1000, None, "closed with 1000"),
        (4404, "unknown", "refused with 404: unknown"),
        (4999, None, "closed with 4999"),
    ],
)
def test_other_goodbyes_are_lost_connections(
    code: int, reason: str | None, told: str
) -> None:
    verdict = closing(URL, Closed(code, reason), until=False)
    assert isinstance(verdict, Lost)
    assert str(verdict) == told


def test_a_goodbye_at_the_end_is_the_end() -> None:
    assert closing(URL, Closed(1000, None), until=True) is None


def test_one_beginning_may_be_given() -> None:
    with pytest.raises(ValueError, match="either after or from_height"):
        Progress(after="1", from_height=1)
    assert Progress().parameters() == []
    assert Progress(from_height=3).parameters() == [("from_height", "3")]
    assert Progress(after="earliest").parameters() == [("after", "earliest")]


def test_a_server_without_positions_cannot_be_resumed() -> None:
    with pytest.raises(NotResumable):
        Progress().begin(URL, {})


def test_a_name_for_a_beginning_may_mean_any_position() -> None:
    progress = Progress(after="earliest")
    assert progress.begin(URL, {"stream-position": "7::"}) == "7::"


@pytest.mark.parametrize(
    ("asked", "begins", "oldest", "fits"),
    [
        ("2::12345678", "2::12345678", "", True),
        ("2", "2::12345678", "", True),
        ("2::12345678", "2::87654321", "", False),
        ("2", "4::", "5", True),
        ("2", "4::", "6", False),
        ("6", "4::", "5", False),
    ],
)
def test_where_a_server_may_begin(
    asked: str, begins: str, oldest: str, fits: bool
) -> None:
    progress = Progress(after=asked)
    headers = {"stream-position": begins, "stream-oldest": oldest}
    if fits:
        assert progress.begin(URL, headers) == begins
    else:
        with pytest.raises(ServerFault, match=f"begins at {begins}, although"):
            progress.begin(URL, headers)


def test_a_server_may_not_change_the_chain_or_go_back() -> None:
    progress = Progress()
    progress.begin(URL, {"stream-position": "2::", "stream-chain": "one"})
    with pytest.raises(ServerFault, match="serves the chain other, not one"):
        progress.begin(URL, {"stream-position": "2::", "stream-chain": "other"})
    with pytest.raises(ServerFault, match="went back to 1::, after 2::"):
        progress.stand(URL, "1::")
    for text in (None, 7, "x"):
        with pytest.raises(ServerFault, match=f"sent '{text}' instead of a position"):
            progress.stand(URL, text)
