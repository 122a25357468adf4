"""The metrics have names, units and explanations as Prometheus asks for.

The rules are those of `promtool check metrics` and of https://prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

import re

import pytest

from trio_stream.http.metric_table import OF_A_NODE, OF_THE_PROCESS, Kind, Metric

ALL = [*OF_A_NODE, *OF_THE_PROCESS]
# Units are base units; these are others, or their abbreviations.
NO_UNITS = re.compile(
    r"_(milliseconds|microseconds|ms|us|minutes|hours|days|kilobytes|megabytes|kb|mb|mib|gib"
    r"|percent|bits|sec|secs)(_|$)"
)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Metric) -> None:
    name = metric.name
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
    assert not NO_UNITS.search(name)
    assert (metric.kind is Kind.COUNTER) == name.endswith("_total")
    assert not re.search(r"_(count|sum|bucket|gauge|counter|histogram)$", name)
    if metric.kind is Kind.HISTOGRAM:
        assert name.endswith("_seconds")
    for unit in ("seconds", "bytes"):
        # A unit is the last word, but for `_total`.
        assert unit not in name.removesuffix("_total").removesuffix(unit)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_help_and_labels(metric: Metric) -> None:
    assert not metric.help[0].islower() and metric.help.endswith(".")
    assert "\n" not in metric.help and "|" not in metric.help
    for label in metric.labels:
        assert re.fullmatch(r"[a-z][a-z_]*", label)
        assert label not in ("le", "quantile", "job", "instance")


def test_each_name_stands_for_one_metric() -> None:
    names = [metric.full_name for metric in OF_A_NODE]
    assert len(set(names)) == len(names)
    assert all(name.startswith("trio_stream_") for name in names)
