from __future__ import annotations

from dataclasses import dataclass

from trio_stream.stream.keepalive import Keepalive, Verdict


@dataclass(eq=False)
class Someone:
    pongs: int = 0
    quiet: bool = True


def looked_at(
    keepalive: Keepalive[Someone], *, now: float, volume: int = 0
) -> list[tuple[Someone, Verdict]]:
    due = []
    while (one := keepalive.take_due(now=now, volume=volume)) is not None:
        due.append(one)
    return due


def begin(*present: Someone) -> Keepalive[Someone]:
    keepalive = Keepalive[Someone](interval=20, timeout=10)
    for number, someone in enumerate(present):
        keepalive.join(someone, now=number, volume=0)
    return keepalive


def test_without_subscribers_none_is_due() -> None:
    assert begin().next_due is None
    assert looked_at(begin(), now=100) == []


def test_each_is_asked_when_it_is_due() -> None:
    first, second = Someone(), Someone()
    keepalive = begin(first, second)

    assert keepalive.next_due == 20
    assert looked_at(keepalive, now=19.9) == []
    assert looked_at(keepalive, now=20) == [(first, Verdict.PING)]
    assert looked_at(keepalive, now=21) == [(second, Verdict.PING)]


def test_a_peer_that_answers_is_asked_again() -> None:
    someone = Someone()
    keepalive = begin(someone)
    looked_at(keepalive, now=20)
    someone.pongs += 1

    assert looked_at(keepalive, now=30) == [(someone, Verdict.NOTHING)]
    assert looked_at(keepalive, now=49.9) == []
    assert looked_at(keepalive, now=50) == [(someone, Verdict.PING)]


def test_a_peer_that_does_not_answer_is_closed() -> None:
    someone = Someone()
    keepalive = begin(someone)
    looked_at(keepalive, now=20)

    assert looked_at(keepalive, now=29.9) == []
    assert looked_at(keepalive, now=30) == [(someone, Verdict.CLOSE)]
    assert keepalive.next_due is None


def test_an_answer_to_nothing_does_not_count() -> None:
    someone = Someone()
    keepalive = begin(someone)
    someone.pongs += 1

    assert looked_at(keepalive, now=20) == [(someone, Verdict.PING)]
    assert looked_at(keepalive, now=30) == [(someone, Verdict.CLOSE)]


def test_a_peer_that_is_owed_bytes_is_not_asked() -> None:
    someone = Someone(quiet=False)
    keepalive = begin(someone)

    assert looked_at(keepalive, now=20) == [(someone, Verdict.NOTHING)]
    assert looked_at(keepalive, now=39.9) == []

    someone.quiet = True
    assert looked_at(keepalive, now=40) == [(someone, Verdict.PING)]


def test_a_peer_that_was_asked_and_is_owed_bytes_since_is_not_closed() -> None:
    someone = Someone()
    keepalive = begin(someone)
    looked_at(keepalive, now=20)
    someone.quiet = False

    assert looked_at(keepalive, now=30) == [(someone, Verdict.NOTHING)]


def test_what_was_sent_since_the_last_answer_may_be_read_first() -> None:
    someone = Someone()
    keepalive = begin(someone)

    looked_at(keepalive, now=20, volume=50_000)  # 5 s for a slow reader

    assert looked_at(keepalive, now=34.9, volume=50_000) == []
    assert looked_at(keepalive, now=35, volume=50_000) == [(someone, Verdict.CLOSE)]


def test_the_extra_time_has_an_end() -> None:
    someone = Someone()
    keepalive = begin(someone)

    looked_at(keepalive, now=20, volume=10**12)

    assert keepalive.next_due is not None and keepalive.next_due < 20 + 10 + 700


def test_an_answer_starts_the_count_anew() -> None:
    someone = Someone()
    keepalive = begin(someone)
    looked_at(keepalive, now=20, volume=10**6)
    someone.pongs += 1
    looked_at(keepalive, now=1000, volume=10**6)

    looked_at(keepalive, now=1020, volume=10**6)

    assert keepalive.next_due == 1030


def test_a_ping_that_could_not_be_sent_is_not_held_against_it() -> None:
    someone = Someone()
    keepalive = begin(someone)
    looked_at(keepalive, now=20)
    keepalive.not_asked(someone)

    assert looked_at(keepalive, now=30) == [(someone, Verdict.PING)]


def test_a_peer_that_left_is_forgotten() -> None:
    someone, other = Someone(), Someone()
    keepalive = begin(someone, other)

    keepalive.leave(someone)

    assert looked_at(keepalive, now=21) == [(other, Verdict.PING)]
