"""The manual: one page of Markdown per topic, for `trio-stream help` and the HTTP server.

The pages are files, so that they can be read wherever the package is; this module only knows which
there are, in the order in which a newcomer reads them, and what they are written in: CommonMark
with GitHub's tables. HTML is text like any other, except that comments are left out.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock

TOPICS: Final = {
    "start": "from nothing to the first event, and pointing an engine at it",
    "subscribing": "the streams: WebSocket, Server-Sent Events, polls, resuming, filters",
    "following": "the same streams for any other chain, by its nodes' RPC",
    "client": "the client for Python and JavaScript, and the command `tail`",
    "api": "the HTTP API: posting, look-ups, search",
    "sql": "reading the log with SQL",
    "operating": "commands, settings, backups, what to do when engine and log disagree",
    "moving": "moving a chain to another engine; exports, imports and digests",
    "monitoring": "health checks, metrics, logs",
    "deploying": "recipes: systemd, nginx, Caddy, containers, several nodes",
    "security": "who may connect: tokens, certificates, limits",
    "engines": "which Tendermint and CometBFT releases are served, and how",
    "differences": "transactions, HTTP, streams and database, compared",
    "architecture": "how the daemon works inside, and how the code is laid out",
}
"""What each page is about."""


def page(topic: str) -> str:
    """The Markdown of this topic's page; `KeyError` if there is none."""
    if topic not in TOPICS:
        raise KeyError(topic)
    return (files(__name__) / f"{topic}.md").read_text(encoding="utf-8")


def _comment(state: StateBlock, line: int, _: int, silent: bool) -> bool:
    """A rule for blocks: a comment on a line of its own makes nothing."""
    start = state.bMarks[line] + state.tShift[line]
    if not re.fullmatch(r"<!--.*-->\s*", state.src[start : state.eMarks[line]]):
        return False
    if not silent:
        state.line = line + 1
    return True


MARKDOWN: Final = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False})
"""Takes pages apart."""
MARKDOWN.enable("table").block.ruler.before(
    "paragraph", "comment", _comment, {"alt": ["paragraph", "reference", "blockquote"]}
)
