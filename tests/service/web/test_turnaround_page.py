"""The page of turnarounds, its JSON and its figures for a monitor."""

from datetime import timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.vocabulary.figures import TO_FLAG
from service.web.turnaround_figures import MOST_SOURCES
from tests.service.sample_site import SampleSite
from tests.service.web.page import parse


@pytest.fixture
def slow(site: SampleSite) -> SampleSite:
    """Give a site of two sources, of which one is above its target."""
    for source, waited in (("QUICK", timedelta(seconds=8)), ("SLOW", timedelta(minutes=40))):
        for _ in range(12):
            site.ledger.figures.tally.turn(TO_FLAG, waited, source, site.now)
    site.ledger.figures.flush()
    return site


def test_the_page_shows_each_source_and_marks_what_is_above_its_target(slow: SampleSite, client: httpx.Client) -> None:
    page = parse(client.get("/turnaround").text)
    rows = {row.all("th")[0].text: row for row in page.all("table")[0].all("tbody")[0].all("tr")}

    assert set(rows) == {"QUICK", "SLOW"}
    assert "above the target" in rows["SLOW"].text
    assert "above the target" not in rows["QUICK"].text
    assert "12 waits" in rows["QUICK"].text
    assert "target of 95 %: 5 min" in page.text


def test_hours_are_those_of_the_source_that_is_asked_for(slow: SampleSite, client: httpx.Client) -> None:
    assert len(client.get("/api/turnaround?from=SLOW").json()["by_hour"]) == 1
    assert client.get("/api/turnaround?from=NOBODY").json()["by_hour"] == []
    assert client.get("/api/turnaround?from=SL%00OW").json()["source"] == "SLOW"  # PostgreSQL takes no NUL
    told = client.get("/api/turnaround").json()
    assert told["targets"][TO_FLAG.name] == 300
    assert told["by_source"]["QUICK"][TO_FLAG.name]["p95"] == pytest.approx(8, rel=0.05)


def test_the_list_calls_for_a_person(slow: SampleSite, client: httpx.Client) -> None:
    alarms = [alarm["text"] for alarm in client.get("/api/status").json()["alarms"]]

    assert any("SLOW" in text and "the target is 5 min" in text for text in alarms)
    assert "SLOW" in client.get("/").text


def test_a_site_where_nothing_was_waited_for_says_so(client: httpx.Client) -> None:
    assert "Nothing has been waited for" in client.get("/turnaround").text


def test_a_monitor_is_told_quantiles_and_targets_of_a_bounded_number_of_sources(
    slow: SampleSite, client: httpx.Client
) -> None:
    for number in range(MOST_SOURCES + 5):
        slow.ledger.figures.tally.turn(TO_FLAG, timedelta(seconds=1), f"OTHER{number}", slow.now)
    slow.ledger.figures.flush()
    samples = [
        sample
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name.startswith("auscult_turnaround")
    ]
    of_slow = {s.labels["quantile"]: s.value for s in samples if s.labels.get("source") == "SLOW"}

    assert of_slow["0.95"] == pytest.approx(2400, rel=0.05)
    assert len({s.labels["source"] for s in samples if "source" in s.labels}) == MOST_SOURCES
    assert {s.labels["span"] for s in samples if "target" in s.name} == {
        "receipt_to_flag",
        "flag_to_read",
        "receipt_to_confirmed",
    }
