"""Rules of paths, and the patterns in them: paths are matched, none is made.

From each rule Werkzeug compiles two functions that make its path, for `url_for`, which nothing here
calls. They took most of the time in which the routes were added, at each start.
"""

from __future__ import annotations

from collections.abc import Callable

from quart.routing import QuartRule
from werkzeug.routing import BaseConverter


class Digits(BaseConverter):
    """Decimal digits, any number of them; anything else is another path."""

    regex = "[0-9]+"


class MatchedRule(QuartRule):
    """A rule that matches paths and cannot make one."""

    def _compile_builder(
        self, append_unknown: bool = True
    ) -> Callable[..., tuple[str, str]]:
        return _make_no_path


def _make_no_path(rule: QuartRule, **_: object) -> tuple[str, str]:
    raise NotImplementedError(f"no path is made from {rule.rule}")
