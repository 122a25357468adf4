from __future__ import annotations

import pytest

from trio_stream.stream.admission import (
    ADDRESS_FULL,
    FULL,
    Admission,
    Connections,
    Door,
    client_address,
    counted_address,
    is_trusted,
    trusted_networks,
)


def test_the_total_is_a_limit() -> None:
    door = Admission(total=2)
    assert door.enter("a") is None
    assert door.enter("a") is None
    assert door.enter("b") is FULL

    door.leave("a")

    assert door.enter("b") is None
    assert door.present == 2


def test_each_address_has_its_limit() -> None:
    door = Admission(total=9, per_address=1)
    assert door.enter("a") is None
    assert door.enter("a") is ADDRESS_FULL
    assert door.enter("b") is None

    door.leave("a")

    assert door.enter("a") is None


def test_a_refused_subscriber_is_not_counted() -> None:
    door = Admission(total=9, per_address=1)
    door.enter("a")
    door.enter("a")

    door.leave("a")

    assert door.present == 0
    assert door.enter("a") is None


TRUSTED = trusted_networks(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("1.2.3.4", [], "1.2.3.4"),
        ("1.2.3.4", [b"5.6.7.8"], "1.2.3.4"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"5.6.7.8"], "5.6.7.8"),
        ("10.0.0.1", [b"9.9.9.9, 5.6.7.8"], "5.6.7.8"),
        ("10.0.0.1", [b"9.9.9.9", b"5.6.7.8, 10.1.1.1"], "5.6.7.8"),
        ("10.0.0.1", [b"10.2.2.2,10.1.1.1"], "10.2.2.2"),
        ("10.0.0.1", [b"5.6.7.8, garbage"], "10.0.0.1"),
        ("10.0.0.1", [b"5.6.7.8, \xff"], "10.0.0.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("::1", [b"2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", [b"::ffff:5.6.7.8"], "5.6.7.8"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("unix", [b"5.6.7.8"], "unix"),
    ],
)
def test_the_nearest_address_that_is_not_a_trusted_proxy_counts(
    peer: str, forwarded: list[bytes], address: str
) -> None:
    assert client_address(peer, forwarded, TRUSTED) == address


def test_a_forwarded_client_counts_for_itself() -> None:
    door = Admission(per_address=1, trusted_proxies=["10.0.0.0/8"])
    assert door.address_of("10.0.0.1", [b"1.1.1.1"]) == "1.1.1.1"
    assert door.address_of("2.2.2.2", [b"1.1.1.1"]) == "2.2.2.2"


def test_a_proxy_that_is_not_a_network_is_an_error() -> None:
    with pytest.raises(ValueError, match="proxy.example"):
        trusted_networks(["proxy.example"])


def test_addresses_are_counted_if_they_have_a_limit() -> None:
    door, unlimited = Admission(per_address=2), Admission()
    for address in ("1.1.1.1", "1.1.1.1", "2.2.2.2"):
        assert door.enter(address) is unlimited.enter(address) is None
    assert (door.addresses, unlimited.addresses) == (2, 0)
    door.leave("1.1.1.1")
    assert door.addresses == 2
    door.leave("1.1.1.1")
    unlimited.leave("1.1.1.1")
    assert (door.addresses, unlimited.present) == (1, 2)


def test_how_many_came_by_each_door() -> None:
    admission = Admission(total=2, per_address=1)
    admission.enter("a")
    admission.enter("b", Door.SSE)
    admission.leave("b", Door.SSE)
    assert admission.enter("a", Door.POLL) is ADDRESS_FULL
    admission.enter("c", Door.POLL)
    assert admission.enter("d") is FULL
    found = admission.statistics()
    assert found.present == {"websocket": 1, "sse": 0, "poll": 1}
    assert found.admitted == {"websocket": 1, "sse": 1, "poll": 1}
    assert found.refused == {503: 1, 429: 1}


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("unix", "unix"),
    ],
)
def test_networks_of_64_bits_count_as_one_address(address: str, counted: str) -> None:
    assert counted_address(address) == counted


def test_subscribers_of_one_network_count_together() -> None:
    door = Admission(per_address=1)
    assert door.enter("2001:db8::1") is None
    assert door.enter("2001:db8::2") is ADDRESS_FULL
    assert door.addresses == 1
    door.leave("2001:db8::1")
    assert door.addresses == 0


def test_connections_are_counted_while_they_last() -> None:
    door = Connections(1, ["10.0.0.0/8"])
    with door.counted("2001:db8::1") as first, door.counted("2001:db8::2") as second:
        assert first and not second
        with door.counted("1.1.1.1") as other, door.counted("10.0.0.1") as proxy:
            assert other and proxy
            with door.counted("10.0.0.1") as again, door.counted(
                "::ffff:1.1.1.1"
            ) as same:
                assert again and not same
    with door.counted("2001:db8::2") as late:
        assert late
    with Connections(0).counted("a") as any_one:
        assert any_one


def test_which_peer_is_a_trusted_proxy() -> None:
    peers = ("10.1.1.1", "::ffff:10.1.1.1", "::1", "11.0.0.1", "unix")
    assert [is_trusted(peer, TRUSTED) for peer in peers] == [True] * 3 + [False] * 2
