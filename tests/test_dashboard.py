"""The Grafana dashboards ask for metrics that there are, with their labels, and in their units."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pytest

from trio_stream.http.followed.metric_table import OF_A_FOLLOWER
from trio_stream.http.metric_table import OF_A_NODE, OF_THE_PROCESS, Kind, Metric


class Dashboard:
    """A dashboard, and the metrics that it may ask for."""

    def __init__(self, name: str, metrics: Sequence[Metric]) -> None:
        file = files("trio_stream.manual").joinpath(f"{name}.json")
        self.name = name
        self.whole = json.loads(file.read_text(encoding="utf-8"))
        self.panels = [each for each in self.whole["panels"] if each["type"] != "row"]
        self.known = {each.full_name: each for each in metrics} | {
            each.name: each for each in OF_THE_PROCESS
        }


NODES = Dashboard("grafana", OF_A_NODE)
FOLLOWERS = Dashboard("grafana-follower", OF_A_FOLLOWER)
PANELS = [(each, panel) for each in (NODES, FOLLOWERS) for panel in each.panels]
LABELS_OF_SCRAPES = {"instance", "le"}


def names(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:trio_stream|process)_[a-z_]+", expression))


def each_panel(test: Any) -> Any:
    ids = [f"{of.name} {panel['title']}" for of, panel in PANELS]
    return pytest.mark.parametrize(("of", "panel"), PANELS, ids=ids)(test)


@each_panel
def test_a_panel_asks_for_what_there_is(of: Dashboard, panel: Any) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        text = target["expr"]
        found = names(text)
        assert len(found) == 1, text
        (name,) = found
        metric = of.known[name.removesuffix("_bucket")]
        assert name.endswith("_bucket") == (metric.kind is Kind.HISTOGRAM)
        # What only grows is shown as a rate.
        assert ("rate(" in text) == (metric.kind is not Kind.GAUGE), text
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        grouped = re.findall(r"by \((.*?)\)", text)
        used = {each.strip() for by in grouped for each in by.split(",")}
        assert shown | used <= {*metric.labels, *LABELS_OF_SCRAPES}, text
        assert not grouped or shown <= used, text
        assert text.count("(") == text.count(")")


@each_panel
def test_a_panel_has_the_unit_of_its_metrics(of: Dashboard, panel: Any) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    units = {"s": "seconds", "bytes": "bytes", "Bps": "bytes", "percentunit": "seconds"}
    for target in panel["targets"]:
        (name,) = names(target["expr"])
        words = name.removesuffix("_bucket").removesuffix("_total").split("_")
        said = words[-1] if words[-1] in ("seconds", "bytes") else None
        assert units.get(unit) == said


each_dashboard = pytest.mark.parametrize("of", [NODES, FOLLOWERS])

NO_CURVES = {
    "trio_stream_info",
    "trio_stream_http_held_bytes",
    "trio_stream_log_writable",
    "trio_stream_read_oldest_wait_seconds",
    "trio_stream_selections",
    "trio_stream_subscriptions_total",
    "trio_stream_tail_bytes",
    "trio_stream_tasks",
    "trio_stream_turns_waiting",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
}
NO_CURVES_OF_NODES = {
    "trio_stream_engine_info",
    "trio_stream_blocks_total",
    "trio_stream_abci_connections",
    "trio_stream_abci_held_bytes",
    "trio_stream_snapshots_total",
}


@pytest.mark.parametrize(
    ("of", "not_shown"),
    [
        (NODES, NO_CURVES | NO_CURVES_OF_NODES),
        (FOLLOWERS, NO_CURVES | {"trio_stream_json_rpc_held_bytes"}),
    ],
)
def test_every_metric_is_shown_but_what_is_no_curve(
    of: Dashboard, not_shown: set[str]
) -> None:
    asked = {
        name
        for panel in of.panels
        for each in panel["targets"]
        for name in names(each["expr"])
    }
    shown = {name.removesuffix("_bucket") for name in asked}
    assert of.known.keys() - shown == not_shown


@each_dashboard
def test_panels_do_not_overlap_and_have_ids_of_their_own(of: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in of.whole["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken
                taken.add((x, y))
    ids = [panel["id"] for panel in of.whole["panels"]]
    assert len(set(ids)) == len(ids)


@each_dashboard
def test_it_works_with_any_data_source(of: Dashboard) -> None:
    variables = {each["name"] for each in of.whole["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(of.whole)))
    assert used - {"__rate_interval", "__all"} == variables
