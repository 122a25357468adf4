"""A request that is recognised as plain means the same to h11."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_stream.http import answers, plain
from trio_stream.http.plain import HEAD_BYTES, Plain, take

POST = (
    b"POST /api/v1/transactions?mode=sync HTTP/1.1\r\nHost: a\r\nOrigin: http://o\r\n"
    b"Content-Type: application/json\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\n{}"
)
GET = b"GET /api/v1/outputs HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"
MOST = 100


def test_the_parts_of_a_plain_request() -> None:
    query, json = b"mode=sync", "application/json"
    expected = Plain("POST", "/api/v1/transactions", query, json, "http://o", b"{}")
    taken = take(POST + GET, MOST)
    assert taken is not None and taken[1] == GET
    assert taken[0].fields[b"origin"] == b"http://o"
    assert taken[0]._replace(fields={}) == expected
    taken = take(GET, MOST)
    assert taken is not None and taken[1] == b""
    fields = {b"host": b"a", b"accept": b"*/*"}
    assert taken[0] == Plain("GET", "/api/v1/outputs", b"", "", None, b"", fields)


def test_missing_bytes_of_a_body_are_counted() -> None:
    whole = take(POST, MOST)
    assert whole is not None
    for missing in (1, 2):
        taken = take(POST[:-missing], MOST)
        assert taken == (whole[0]._replace(body=b""), missing)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"PUT"),
        (b"POST", b"post"),
        (b"POST", b"GET"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"/api", b"http://a/api"),
        (b"/api", b"/a%70i"),
        (b"mode", b"#mode"),
        (b"Keep-Alive", b"close"),
        (b"Keep-Alive", b"Upgrade"),
        (b"Origin: http://o", b"Upgrade: websocket"),
        (b"Origin: http://o", b"Transfer-Encoding: chunked"),
        (b"Origin: http://o", b"Expect: 100-continue"),
        (b"Origin: http://o", b"content-length: 2"),
        (b"Origin: http://o", b"origin"),
        (b"Origin: http://o", b"origin : o"),
        (b"Origin: http://o", b"a: b\r\n folded"),
        (b"Origin: http://o", b"a: \xff"),
        (b"Origin: http://o", b"a: " + b"b" * HEAD_BYTES),
        (b"Host: a\r\n", b""),
        (b"Length: 2", b"Length: +2"),
        (b"Length: 2", b"Length: 101"),
        (b"Length: 2", b"Length: 2, 2"),
        (b"\r\n\r\n{}", b"\n\n{}"),
        (b"\r\n\r\n{}", b"\r\n"),
    ],
)
def test_requests_that_are_not_plain_are_left_alone(old: bytes, new: bytes) -> None:
    assert take(POST.replace(old, new), MOST) is None


NAMES = st.sampled_from(
    b"Host host Origin Connection Content-Length Content-Type Transfer-Encoding Expect"
    b" Upgrade Accept X-A".split()
)
VALUES = st.sampled_from(
    b"a keep-alive close 0 2 3 +2 002 chunked 100-continue websocket a/b,\tc".split(
        b" "
    )
) | st.binary(max_size=6)
FIELDS = st.lists(
    st.tuples(NAMES, st.sampled_from([b": ", b":", b" : ", b":  "]), VALUES), max_size=5
).map(lambda fields: b"".join(b"%b%b%b\r\n" % field for field in fields))
TARGETS = st.sampled_from(
    [b"/", b"/a?b=c", b"//a", b"/?", b"a", b"*", b"/a b", b"/\xff", b"/a#b", b"/a??"]
)
REQUESTS = st.builds(
    lambda method, target, version, fields, end, rest: (
        b"%b %b HTTP/%b\r\n%b%b%b" % (method, target, version, fields, end, rest)
    ),
    st.sampled_from([b"GET", b"POST", b"HEAD", b"get"]),
    TARGETS,
    st.sampled_from([b"1.1", b"1.0", b"1.1 "]),
    st.just(b"Host: a\r\n").flatmap(lambda host: FIELDS.map(lambda more: host + more)),
    st.sampled_from([b"\r\n", b"\n", b""]),
    st.sampled_from([b"", b"xy", b"xyz", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]),
)


@given(REQUESTS)
@example(POST)
@example(POST + GET)
@example(GET + POST)
def test_plain_means_the_same_to_h11(data: bytes) -> None:
    taken = take(data, MOST)
    if taken is None or isinstance(taken, int):
        return
    request, rest = taken
    http = h11.Connection(h11.SERVER)
    http.receive_data(data)
    said = http.next_event()
    assert isinstance(said, h11.Request)
    path, _, query = said.target.partition(b"?")
    headers = dict(said.headers)
    body = b""
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    assert request == Plain(
        said.method.decode(),
        path.decode(),
        query,
        headers.get(b"content-type", b"").decode(),
        headers[b"origin"].decode() if b"origin" in headers else None,
        body,
        headers,
    )
    assert http.trailing_data[0] == rest
    assert not http.they_are_waiting_for_100_continue
    # Neither side has to close after it.
    assert http.their_state is h11.DONE


def read(data: bytes) -> tuple[h11.Response, bytes]:
    """What h11 reads from an answer."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    http.send(h11.EndOfMessage())
    http.receive_data(data)
    response = http.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    http.start_next_cycle()
    return response, body


def test_a_whole_answer() -> None:
    response, body = read(plain.whole(answers.error(404, "Not found"), "http://o"))
    headers = dict(response.headers)
    assert (response.status_code, response.reason) == (404, b"NOT FOUND")
    assert body == b'{"message":"Not found","status":404}\n'
    assert headers.pop(b"date").endswith(b" GMT")
    assert headers == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(body),
        b"access-control-allow-origin": b"http://o",
        b"vary": b"Origin",
    }


def test_an_answer_in_chunks() -> None:
    chunks = b"2\r\n[1\r\n4\r\n, 2]\r\n0\r\n\r\n"
    response, body = read(plain.beginning(None) + chunks)
    assert (response.status_code, body) == (200, b"[1, 2]")
    assert (b"access-control-allow-origin", b"*") in list(response.headers)
