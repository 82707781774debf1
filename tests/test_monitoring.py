"""The alert rules and the dashboard: well-formed, and about figures that there are."""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from docs.generate import ROOT

ALERTS, DASHBOARD = (ROOT / "docs/monitoring" / name for name in ("alerts.yml", "grafana.json"))


def figures() -> set[str]:
    """Return the series that `/metrics` has, by the table that is generated from it."""
    rows = re.findall(r"^\| `(auscult_\w+)` \| (\w+)", (ROOT / "docs/reference/http.md").read_text(), re.MULTILINE)
    return {f"{name}_bucket" if kind == "histogram" else name for name, kind in rows}


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def test_every_alert_and_panel_asks_for_figures_that_there_are() -> None:
    asked = [rule["expr"] for rule in rules()]
    asked += [target["expr"] for panel in panels() for target in panel["targets"]]
    named = {name for expression in asked for name in re.findall(r"auscult_\w+", expression)}
    assert len(named) > 12
    assert named <= figures()
    assert all(expression.count("(") == expression.count(")") for expression in asked)


def test_several_page_processes_count_a_site_once() -> None:
    asked = [rule["expr"] for rule in rules()] + [target["expr"] for panel in panels() for target in panel["targets"]]
    # Buckets may be added up: a quantile of twice the same is the same.
    assert not [expression for expression in asked if "sum" in expression and "histogram_quantile" not in expression]


def test_every_alert_says_how_grave_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 8
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["remedy"].startswith("auscult ")
        assert re.fullmatch(r"\d+[mh]", rule["for"])


def test_the_panels_lie_beside_each_other_and_have_numbers_of_their_own() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_the_dashboard_is_one_of_grafanas_own_schema() -> None:
    """Grafana's generated types read it, know every field of it, and give it back."""
    content = json.loads(DASHBOARD.read_text())
    known = json.loads(JSONEncoder().encode(Dashboard.from_json(content)))
    assert unknown(content, known) == []
    assert unknown({**content, "panels": [{**content["panels"][0], "titel": "x"}]}, known) == ["/panels/0/titel"]


def unknown(content: Any, known: Any, place: str = "") -> list[str]:
    """Return the places of what a schema does not give back."""
    if isinstance(content, dict):
        return [
            found
            for key in content
            for found in (unknown(content[key], known[key], f"{place}/{key}") if key in known else [f"{place}/{key}"])
        ]
    if isinstance(content, list):
        pairs = enumerate(zip(content, known, strict=False))
        return [found for number, (one, other) in pairs for found in unknown(one, other, f"{place}/{number}")]
    return [] if content == known else [place]


def test_promtool_takes_the_rules(program: Callable[[str], str]) -> None:
    result = subprocess.run(
        [program("promtool"), "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
