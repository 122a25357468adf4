"""Figures in Prometheus's text format, as its own parser reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from trio_stream.http.door_figures import Figure
from trio_stream.http.metric_table import OF_A_NODE, OF_THE_PROCESS
from trio_stream.http.metrics import Metrics, written
from trio_stream.net.durations import BOUNDS, Durations

TIMES = Durations()
for _seconds in (0.0001, 0.3, 20.0):
    TIMES.add(_seconds)
FIGURES: list[Figure] = [
    ("block_height", (), 7),
    ("subscribers", ("sse",), 2),
    ("refused_transactions_total", ("block", 'an "error"\n'), 3),
    ("fan_out_seconds", (), TIMES.distribution()),
]


def samples(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    """The value of each sample by its name and labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_gauges_counters_and_histograms() -> None:
    found = samples(written(FIGURES, OF_A_NODE))
    assert found["trio_stream_block_height", ()] == 7
    assert found["trio_stream_subscribers", ("sse",)] == 2
    name = "trio_stream_refused_transactions_total"
    assert found[name, ("block", 'an "error"\n')] == 3
    name = "trio_stream_fan_out_seconds"
    assert found[f"{name}_count", ()] == 3
    assert found[f"{name}_sum", ()] == pytest.approx(20.3001)
    buckets = {bound: found[f"{name}_bucket", (str(bound),)] for bound in BOUNDS}
    assert (buckets[0.0001], buckets[0.25], buckets[0.5], buckets[10.0]) == (1, 1, 2, 2)
    assert found[f"{name}_bucket", ("+Inf",)] == 3


def test_each_metric_is_explained_even_without_a_figure() -> None:
    text = written([], OF_A_NODE).decode()
    for metric in OF_A_NODE:
        assert f"# HELP {metric.full_name} {metric.help}\n" in text
        assert f"# TYPE {metric.full_name} {metric.kind.value}\n" in text


def test_a_figure_without_a_metric_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="not in the table: .*unheard_of"):
        written([("unheard_of", (), 1)], OF_A_NODE)


async def figures() -> Sequence[Figure]:
    await trio.lowlevel.checkpoint()
    return FIGURES


async def test_a_scrape_and_what_it_says_of_the_process() -> None:
    answer = await Metrics(figures, OF_A_NODE).answer(b"")
    assert answer.status == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    found = samples(answer.body)
    assert found["trio_stream_block_height", ()] == 7
    of_the_process = {name for name, _ in found if name.startswith("process_")}
    assert of_the_process == {metric.name for metric in OF_THE_PROCESS}


async def test_scrapes_are_answered_one_after_the_other() -> None:
    at_once = most = 0

    async def run_sync(work: Callable[[], object], **_: object) -> object:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await trio.lowlevel.checkpoint()
        at_once -= 1
        return work()

    metrics = Metrics(figures, OF_A_NODE, run_sync=run_sync)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(metrics.answer, b"")
    assert most == 1
