"""GET /metrics: the daemon's figures in Prometheus's text format.

Figures are taken in one step of the event loop and written down in a thread, at a turn, so that a
scrape delays nobody. One scrape is answered after the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import cast

import trio
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from trio_stream.http.answers import HttpAnswer
from trio_stream.http.door_figures import Figure, Value
from trio_stream.http.metric_table import Kind, Metric
from trio_stream.log.connections import RunSync
from trio_stream.net.durations import BOUNDS, Distribution

_FAMILIES = {Kind.GAUGE: GaugeMetricFamily, Kind.COUNTER: CounterMetricFamily}


class Metrics:
    """Answers GET /metrics with what `figures` returns, by the metrics of `table`."""

    def __init__(
        self,
        figures: Callable[[], Awaitable[Sequence[Figure]]],
        table: Sequence[Metric],
        *,
        run_sync: RunSync = trio.to_thread.run_sync,
    ) -> None:
        self._figures = figures
        self._table = table
        self._run_sync = run_sync
        self._limiter = trio.CapacityLimiter(1)
        self._one = trio.Lock()
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)

    async def answer(self, _: bytes) -> HttpAnswer:
        """All metrics as they are now."""
        async with self._one:
            work = partial(self._write, await self._figures())
            text = await self._run_sync(work, limiter=self._limiter)
        return HttpAnswer(200, cast(bytes, text), CONTENT_TYPE_PLAIN_0_0_4)

    def _write(self, figures: Sequence[Figure]) -> bytes:
        return written(figures, self._table) + generate_latest(self._process)


def written(figures: Iterable[Figure], table: Sequence[Metric]) -> bytes:
    """Figures in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Figures(figures, table))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, figures: Iterable[Figure], table: Sequence[Metric]) -> None:
        self._table = table
        self._by_name: dict[str, list[tuple[tuple[str, ...], Value]]] = {}
        for name, labels, value in figures:
            self._by_name.setdefault(name, []).append((labels, value))

    def describe(self) -> Iterator[Family]:
        """Nothing: the registry is new, and no name can be taken."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        for metric in self._table:
            found = self._by_name.pop(metric.name, [])
            if metric.kind is Kind.HISTOGRAM:
                yield _histogram(metric, found)
            else:
                family = _FAMILIES[metric.kind](
                    metric.full_name, metric.help, labels=metric.labels
                )
                for labels, value in found:
                    family.add_metric(labels, cast(float, value))
                yield family
        assert not self._by_name, f"not in the table: {[*self._by_name]}"


def _histogram(
    metric: Metric, found: Iterable[tuple[tuple[str, ...], Value]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.full_name, metric.help, labels=metric.labels)
    for labels, value in found:
        counts, total = cast(Distribution, value)
        bounds = [*map(str, BOUNDS), "+Inf"]
        family.add_metric(labels, list(zip(bounds, counts, strict=True)), total)
    return family
