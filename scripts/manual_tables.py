"""Writes the tables of the manual that follow from the code: `make manual`.

Names, order and defaults are the code's; what a setting means is written by hand in the page and
kept, and what a metric means is what a scrape says of it. A row that lacks its meaning, or that
stands for nothing any more, is an error that names it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import takewhile
from pathlib import Path

from scripts import child
from trio_stream.config import Config, DoorSettings, FollowConfig
from trio_stream.config.reading import name_of
from trio_stream.http.followed.metric_table import ITS_OWN
from trio_stream.http.metric_table import OF_A_NODE, OF_THE_PROCESS, Metric

MANUAL = child.ROOT / "trio_stream" / "manual"
SETTINGS = "| setting | default | meaning |\n|---|---|---|\n"

METRICS_HEADER = "| metric | kind | meaning |\n|---|---|---|\n"
FOLLOWER_METRICS_HEADER = "| metric of a follower | kind | meaning |\n|---|---|---|\n"

# Their names don't say that they are sizes.
_SIZES = ("frame_limit", "send_buffer", "http_body_rate")
_ROW = re.compile(r"^\| `(\w+)` \|.*\| (.*) \|$")


class Incomplete(Exception):
    """A table and the code don't name the same things."""


def settings() -> dict[str, str]:
    """All settings of a node with their defaults, as a reader of the manual sees them."""
    return {each.name: shown(each.name, each.default) for each in fields(Config)}


def follow_settings() -> dict[str, str]:
    """Those of a follower that a node has not, or with another default."""
    known = {each.name: each.default for each in fields(DoorSettings)}
    return {
        name_of(each): shown(each.name, each.default)
        for each in fields(FollowConfig)
        if each.name not in known or known[each.name] != each.default
    }


def shown(name: str, default: object) -> str:
    """A default in Markdown."""
    if default is None or default == ():
        return "–"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"{default:g} s"
    if isinstance(default, Path):
        return f"`./{default}`"
    if isinstance(default, int) and default and _is_size(name):
        return f"{default} ({_size(default)})"
    if isinstance(default, int):
        return str(default)
    return f"`{default}`"


def _is_size(name: str) -> bool:
    return "bytes" in name or name in _SIZES


def _size(count: int) -> str:
    power = min((count.bit_length() - 1) // 10, 2)
    return f"{count >> 10 * power} {('bytes', 'KiB', 'MiB')[power]}"


def table(header: str, rows: dict[str, str], text: str) -> str:
    """The page with the table below `header` written anew from `rows`."""
    begin, end, lines = _rows_below(header, text)
    meanings = dict(map(_row, lines))
    for name in meanings.keys() - rows.keys():
        raise Incomplete(f"{name} has a row, but the code does not have it")
    for name in rows.keys() - meanings.keys():
        raise Incomplete(f"{name} has no row: add `| `{name}` | | what it means |`")
    written = [
        f"| `{name}` | {value} | {meanings[name]} |\n" for name, value in rows.items()
    ]
    return text[:begin] + "".join(written) + text[end:]


def _rows_below(header: str, text: str) -> tuple[int, int, list[str]]:
    """Where the rows of a table begin and end, and the rows."""
    begin = text.index(header) + len(header)
    lines = list(
        takewhile(lambda line: line.startswith("|"), text[begin:].splitlines())
    )
    return begin, begin + sum(len(line) + 1 for line in lines), lines


def _row(line: str) -> tuple[str, str]:
    found = _ROW.match(line)
    if not found:
        raise Incomplete(f"not a row of one name and what it means: {line}")
    return found[1], found[2]


def metrics() -> list[str]:
    """The rows of all metrics of a node, with their labels."""
    named = [(each.full_name, each) for each in OF_A_NODE]
    return _metric_rows([*named, *((each.name, each) for each in OF_THE_PROCESS)])


def follower_metrics() -> list[str]:
    """The rows of those that only a follower has."""
    return _metric_rows([(each.full_name, each) for each in ITS_OWN])


def _metric_rows(named: Sequence[tuple[str, Metric]]) -> list[str]:
    return [
        f"| `{name}{_labels(each)}` | {each.kind.value} | {each.help} |\n"
        for name, each in named
    ]


def _labels(metric: Metric) -> str:
    return "{%s}" % ",".join(metric.labels) if metric.labels else ""


def with_settings(text: str) -> str:
    """The page with its table of settings as it should be."""
    return table(SETTINGS, settings(), text)


def with_follow_settings(text: str) -> str:
    """The page with its table of a follower's settings as it should be."""
    return table(SETTINGS, follow_settings(), text)


def with_metrics(text: str) -> str:
    """The page with its tables of metrics as they should be."""
    for header, rows in (
        (METRICS_HEADER, metrics()),
        (FOLLOWER_METRICS_HEADER, follower_metrics()),
    ):
        begin, end, _ = _rows_below(header, text)
        text = text[:begin] + "".join(rows) + text[end:]
    return text


PAGES: dict[str, Callable[[str], str]] = {
    "following.md": with_follow_settings,
    "monitoring.md": with_metrics,
    "operating.md": with_settings,
}
"""What writes the tables of which page."""


def main(arguments: Sequence[str] = ()) -> int:
    for name, write in PAGES.items():
        path = MANUAL / name
        try:
            path.write_text(write(path.read_text("utf-8")), encoding="utf-8")
        except Incomplete as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
