"""A follower's metrics have names and explanations like a node's, and mean the same by one name."""

from __future__ import annotations

import pytest

from tests.http.test_metric_table import test_help_and_labels as check_help_and_labels
from tests.http.test_metric_table import test_names_follow_the_conventions as check_name
from trio_stream.http.followed.metric_table import ITS_OWN, OF_A_FOLLOWER
from trio_stream.http.metric_table import OF_A_NODE, Metric


@pytest.mark.parametrize("metric", ITS_OWN, ids=lambda metric: metric.name)
def test_they_follow_the_conventions(metric: Metric) -> None:
    check_name(metric)
    check_help_and_labels(metric)


def test_each_name_stands_for_one_metric() -> None:
    by_name = {metric.name: metric for metric in (*OF_A_NODE, *OF_A_FOLLOWER)}
    for metric in (*OF_A_NODE, *OF_A_FOLLOWER):
        assert by_name[metric.name] == metric
    assert len({metric.name for metric in OF_A_FOLLOWER}) == len(OF_A_FOLLOWER)
