"""Which heads are acceptable, and the status of those that are not."""

from __future__ import annotations

import pytest

from trio_stream.net.request_head import (
    HOST,
    Resource,
    Unacceptable,
    judge,
    status_of_unreadable,
)

Fields = list[tuple[bytes, bytes]]
HOST_A: Fields = [(b"host", b"a")]
CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize(
    ("method", "target", "path", "host"),
    [
        (b"GET", b"/", b"/", None),
        (b"GET", b"/a?b=/c?d", b"/a?b=/c?d", None),
        (b"GET", b"//a", b"//a", None),
        (b"GET", b'/a?b="{|}"', b'/a?b="{|}"', None),
        (b"OPTIONS", b"*", b"/", None),
        (b"GET", b"http://b", b"/", b"b"),
        (b"GET", b"HTTP://b:80/c?d", b"/c?d", b"b:80"),
        (b"GET", b"https://[::1]:9/c", b"/c", b"[::1]:9"),
        (b"GET", b"http://b?c", b"/?c", b"b"),
        (b"OPTIONS", b"http://b", b"/", b"b"),
    ],
)
def test_each_form_of_target_names_a_path(
    method: bytes, target: bytes, path: bytes, host: bytes | None
) -> None:
    assert judge(method, target, b"1.1", HOST_A) == Resource(path, host)


@pytest.mark.parametrize(
    "target",
    [
        b"?x",
        b"x",
        b"a/b",
        b"*",
        b"a:80",
        b"/a#b",
        b"http:///a",
        b"http://:80/a",
        b"http://u@b/a",
        b"http://b/a#c",
        b"http:b",
        b"ftp://b/a",
        b"mailto:b",
    ],
)
def test_a_target_of_no_form_is_refused(target: bytes) -> None:
    assert refused(target=target) == 400


@pytest.mark.parametrize(
    ("method", "status"),
    [(b"get", 501), (b"Head", 501), (b"CONNECT", 501), (b"BREW", None)],
)
def test_methods_are_told_apart_by_case(method: bytes, status: int | None) -> None:
    assert refused(method=method, target=b"/") == status


@pytest.mark.parametrize(
    ("version", "status"),
    [(b"1.0", None), (b"1.1", None), (b"1.2", None), (b"2.0", 505), (b"0.9", 505)],
)
def test_only_the_first_major_version_is_spoken(
    version: bytes, status: int | None
) -> None:
    assert refused(version=version) == status


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        (b"1.1", [*HOST_A, CHUNKED], None),
        (b"1.1", [*HOST_A, (b"content-length", b"3")], None),
        (b"1.1", [*HOST_A, CHUNKED, (b"content-length", b"3")], 400),
        (b"1.0", [*HOST_A, CHUNKED], 400),
        (b"1.0", [], None),
        (b"1.1", [], 400),
        (b"1.2", [], 400),
        (b"1.1", [(b"host", b"a b")], 400),
        (b"1.0", [(b"host", b"a/b")], 400),
    ],
)
def test_framing_and_host_leave_no_doubt(
    version: bytes, headers: Fields, status: int | None
) -> None:
    assert refused(version=version, headers=headers) == status


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"a",
        b"a:",
        b":1",
        b"a_b.c:80",
        b"1.2.3.4",
        b"[::1]:9984",
        b"%C3%A9",
        b"a,b",
    ],
)
def test_what_a_host_may_be(host: bytes) -> None:
    assert HOST.fullmatch(host)


@pytest.mark.parametrize(
    "host",
    [b"a b", b"a/", b"u@a", b"a:b", b"[", b"[::1", b"::1", b"a?", b"\xff", b"a:1:2"],
)
def test_what_no_host_is(host: bytes) -> None:
    assert not HOST.fullmatch(host)


@pytest.mark.parametrize(
    ("head", "hint", "status"),
    [
        (b"GET /" + b"a" * 20_000, 431, 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000, 431, 431),
        (b"\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, 501),
        (
            b"\r\nTransfer-Encoding: chunked\r\ntransfer-encoding:Chunked\r\n\r\n",
            501,
            501,
        ),
        (b"\r\nTransfer-Encoding: gzip\r\n\r\n", 501, 400),
        (b"\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501, 400),
        (b"\r\nTransfer-Encoding: a\r\n\r\nTransfer-Encoding: chunked\r\n", 501, 400),
        (b"nonsense\r\n\r\n", 400, 400),
    ],
)
def test_the_status_of_what_cannot_be_read(head: bytes, hint: int, status: int) -> None:
    assert status_of_unreadable(head, hint) == status


def refused(
    *,
    method: bytes = b"GET",
    target: bytes = b"/",
    version: bytes = b"1.1",
    headers: Fields = HOST_A,
) -> int | None:
    """The status with which a request is refused; None if it is not."""
    try:
        judge(method, target, version, headers)
    except Unacceptable as error:
        assert error.why
        return error.status
    return None
