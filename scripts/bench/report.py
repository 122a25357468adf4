"""Tables for the benchmarks: the machine they ran on, rows, ratios.

A figure means little alone. Each benchmark prints what it compares with, measured
in the same run, and the ratio of the two.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence


def machine() -> str:
    """One line that says where the figures come from."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
            for line in cpuinfo:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return f"{model}, {cores} cores, {platform.system()}, Python {python}"


def number(value: float) -> str:
    """A figure with as many digits as it deserves: 79,103 or 3.42 or 0.071."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def ratio(ours: float, other: float) -> str:
    """`ours` divided by `other`, as a column of a table shows it."""
    return f"{ours / other:.2f}x" if other else "-"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The rows below their heads, first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
        return "  ".join([first, *rest]).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([title, line(cells[0]), rule, *map(line, cells[1:])])
