"""BigchainDB's API as tests need it: made of its parts, which default to those that do nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trio_stream.access.guard import Guard
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.http.api import Api
from trio_stream.http.bigchaindb import StateReader, bigchaindb_routes
from trio_stream.http.reads import CheckOutcomes
from trio_stream.http.routes import Get
from trio_stream.http.submit import Broadcaster, Submission, Watched
from trio_stream.http.subscriptions import Subscriptions
from trio_stream.stream.admission import Admission
from trio_stream.stream.selection import Selection


def bigchaindb_api(
    *,
    reader: StateReader,
    engine: Broadcaster,
    channel: CommitChannel[Selection],
    watched: Watched,
    checks: CheckOutcomes,
    max_body_bytes: int,
    streams_url: str = "",
    commit_timeout: float = 10,
    admission: Admission | None = None,
    max_streams: int = 3072,
    observed: Mapping[str, Get] | None = None,
    guard: Guard | None = None,
    ended: Callable[[], object | None] = lambda: None,
) -> Api:
    """The API over these."""
    submission = Submission(
        reader, engine, watched, commit_timeout=commit_timeout, ended=ended
    )
    routes = bigchaindb_routes(
        reader,
        checks,
        submission,
        run_sync=channel.run_in_turn,
        streams_url=streams_url,
        observed=observed,
    )
    subscriptions = Subscriptions(
        channel, admission or Admission(), most=max_streams, guard=guard
    )
    return Api(routes, subscriptions, max_body_bytes=max_body_bytes, guard=guard)
