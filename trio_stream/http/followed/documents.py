"""What a follower says of its API: the index documents, and what is not there.

BigchainDB's routes are not: they would be about a node's own transactions. Whoever asks for one is
told so, since programs for BigchainDB may be pointed here by mistake.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from trio_stream import __version__
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.routes import API, DESCRIPTION, STATUS
from trio_stream.log.followed.lookups import LogSummary
from trio_stream.stream.selection import STREAMS_PATH

KIND: Final = "follower"
"""A node's index, which is BigchainDB's, has no `kind`."""

ABSENT: Final = (
    "assets",
    "blocks",
    "elections",
    "metadata",
    "outputs",
    "statuses",
    "transactions",
    "validators",
)
"""The first parts of BigchainDB's paths. Blocks and transactions are found by their names only."""

_PULL: Final = "/events"


class Documents:
    """The index documents of a follower."""

    def __init__(
        self, streams: Collection[str], streams_url: str, *, json_rpc: bool
    ) -> None:
        """`streams_url` is where the first of the streams is, as a WebSocket."""
        self._streams = streams
        self._streams_url = streams_url
        self._json_rpc = json_rpc

    def root(self, log: LogSummary) -> bytes:
        """The document at `/`."""
        return answers.compact(
            {
                "api": {"v1": self._index(API, log)},
                "docs": "/manual",
                "software": "trio_stream",
                "version": __version__,
            }
        )

    def api_root(self, log: LogSummary) -> bytes:
        """The document at `/api/v1/`, whose paths are relative to it."""
        return answers.compact(self._index("", log))

    def no_such_path(self, path: str) -> HttpAnswer:
        """The answer where nothing is."""
        if path.startswith(STREAMS_PATH):
            return self._no_such_stream(path.removeprefix(STREAMS_PATH))
        first, _, name = path.removeprefix(f"{API}/").partition("/")
        if not path.startswith(f"{API}/") or first not in ABSENT:
            return answers.error(404, "Not found")
        what = f"{API}/{first}"
        if first in ("blocks", "transactions") and not name:
            what += " with parameters"
        return answers.error(
            404,
            f"This server follows a chain of others: {what} of BigchainDB's API is not"
            f" here. {API}/ says what is.",
        )

    def _no_such_stream(self, name: str) -> HttpAnswer:
        message = (
            f"this server follows a chain and has no stream {name[:100]!r};"
            f" it has {', '.join(self._streams)}"
        )
        said = {"error": "unknown_stream", "message": message, "status": 404}
        return HttpAnswer(404, answers.compact(said))

    def _index(self, prefix: str, log: LogSummary) -> dict[str, object]:
        index: dict[str, object] = {
            "kind": KIND,
            "chain_id": log.chain_id or None,
            "oldest": log.oldest if log.chain_id else None,
            "streams": self._streams_url,
            "server_sent_events": [
                prefix + STREAMS_PATH.removeprefix(API) + name for name in self._streams
            ],
            "events": f"{prefix}{_PULL}",
            "blocks": f"{prefix}/blocks/",
            "transactions": f"{prefix}/transactions/",
            "status": prefix + STATUS.removeprefix(API),
            "openapi": prefix + DESCRIPTION.removeprefix(API),
            "docs": "/manual",
            "absent": "BigchainDB's routes: this server follows a chain of others.",
        }
        if self._json_rpc:
            index["json_rpc"] = "/"
        return index
