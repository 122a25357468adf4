"""The Grafana dashboard asks for metrics that there are, with their labels, and in their units."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest

from trio_stream.http.metric_table import OF_A_NODE, OF_THE_PROCESS, Kind

DASHBOARD = json.loads(
    files("trio_stream.manual").joinpath("grafana.json").read_text(encoding="utf-8")
)
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
KNOWN = {each.full_name: each for each in OF_A_NODE} | {
    each.name: each for each in OF_THE_PROCESS
}
LABELS_OF_SCRAPES = {"instance", "le"}


def names(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:trio_stream|process)_[a-z_]+", expression))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_what_there_is(panel: Any) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        text = target["expr"]
        found = names(text)
        assert len(found) == 1, text
        (name,) = found
        metric = KNOWN[name.removesuffix("_bucket")]
        assert name.endswith("_bucket") == (metric.kind is Kind.HISTOGRAM)
        # What only grows is shown as a rate.
        assert ("rate(" in text) == (metric.kind is not Kind.GAUGE), text
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        grouped = re.findall(r"by \((.*?)\)", text)
        used = {each.strip() for by in grouped for each in by.split(",")}
        assert shown | used <= {*metric.labels, *LABELS_OF_SCRAPES}, text
        assert not grouped or shown <= used, text
        assert text.count("(") == text.count(")")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_the_unit_of_its_metrics(panel: Any) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    units = {"s": "seconds", "bytes": "bytes", "Bps": "bytes", "percentunit": "seconds"}
    for target in panel["targets"]:
        (name,) = names(target["expr"])
        words = name.removesuffix("_bucket").removesuffix("_total").split("_")
        said = words[-1] if words[-1] in ("seconds", "bytes") else None
        assert units.get(unit) == said


def test_every_metric_is_shown_but_what_is_no_curve() -> None:
    asked = {
        name
        for panel in PANELS
        for each in panel["targets"]
        for name in names(each["expr"])
    }
    shown = {name.removesuffix("_bucket") for name in asked}
    assert KNOWN.keys() - shown == {
        "trio_stream_info",
        "trio_stream_engine_info",
        "trio_stream_blocks_total",
        "trio_stream_abci_connections",
        "trio_stream_abci_held_bytes",
        "trio_stream_http_held_bytes",
        "trio_stream_log_writable",
        "trio_stream_read_oldest_wait_seconds",
        "trio_stream_selections",
        "trio_stream_snapshots_total",
        "trio_stream_subscriptions_total",
        "trio_stream_tail_bytes",
        "trio_stream_tasks",
        "trio_stream_turns_waiting",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
    }


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken
                taken.add((x, y))
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_it_works_with_any_data_source() -> None:
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used - {"__rate_interval", "__all"} == variables
