"""The metrics page: what a monitor needs, and nothing of a patient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from service.ledger.views import StatusView
from service.objects import Room
from service.vocabulary.facts import Hold
from service.vocabulary.figures import BATCH, CONFIRMED, FIGURES, REFUSED, TO_REPORT, FigureKey, Tally
from service.vocabulary.findings import Outcome
from service.vocabulary.orders import OrderState
from service.vocabulary.states import CommitmentState, DeliveryState, Priority, State
from service.web.metrics import exposition
from service.web.turnaround_figures import TurnaroundFigures

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STATUS = StatusView(
    studies=4,
    open_studies=3,
    came_after=1,
    states={State.DELIVERED: 2, State.OUT_OF_SCOPE: 3},
    out_of_scope={"lateral_view": 3},
    failures={"analysis_failed": 1},
    outcomes={Outcome.POSITIVE: 1},
    outbox={"pacs": {DeliveryState.DEAD: 1}},
    orders={OrderState.WAITING: 6},
    commitment_requests={CommitmentState.WAITING: 2},
    oldest_unanswered_since=NOW - timedelta(seconds=50),
    oldest_waiting_since=NOW - timedelta(seconds=90),
    oldest_unsent_since=NOW - timedelta(seconds=70),
    oldest_unread_since={Priority.STAT: NOW - timedelta(minutes=4)},
    held_studies={"1.2.3": Hold.TWO_PATIENTS},
)


def samples(
    status: StatusView, totals: Mapping[FigureKey, float] | None = None, reserve_bytes: int = 0
) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the scraped samples by name and label values."""
    page = exposition(status, totals or {}, lambda: NOW, Room(Path("/"), reserve_bytes), audit_fails=False).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_each_state_reason_outcome_and_delivery_is_counted() -> None:
    found = samples(STATUS)
    assert found["auscult_instances", ("delivered",)] == 2
    assert found["auscult_out_of_scope", ("lateral_view",)] == 3
    assert found["auscult_outcomes", ("positive",)] == 1
    assert found["auscult_deliveries", ("pacs", "dead")] == 1
    assert found["auscult_held_studies", ()] == 1


def test_the_age_of_the_oldest_waiting_image_is_told() -> None:
    assert samples(STATUS)["auscult_oldest_waiting_seconds", ()] == 90
    assert samples(STATUS)["auscult_oldest_unsent_seconds", ()] == 70


def test_the_age_of_the_oldest_unread_study_is_told_by_priority_and_is_nothing_where_there_is_none() -> None:
    assert samples(STATUS)["auscult_oldest_unread_seconds", ("stat",)] == 240
    assert samples(STATUS)["auscult_oldest_unread_seconds", ("urgent",)] == 0


def test_the_targets_of_unread_studies_are_told_for_the_rule_that_compares_them() -> None:
    found = TurnaroundFigures({}, {}, {Priority.STAT: timedelta(hours=1)}).collect()
    assert {sample.labels["priority"]: sample.value for family in found for sample in family.samples} == {"stat": 3600}


def test_peers_that_wait_for_an_answer_are_counted_and_their_age_is_told() -> None:
    assert samples(STATUS)["auscult_orders", ("waiting",)] == 6
    assert samples(STATUS)["auscult_commitment_requests", ("waiting",)] == 2
    assert samples(STATUS)["auscult_oldest_unanswered_seconds", ()] == 50


def test_a_disk_that_has_come_down_to_its_reserve_is_told() -> None:
    assert samples(STATUS)["auscult_store_full", ()] == 0
    found = samples(STATUS, reserve_bytes=1 << 62)
    assert found["auscult_store_full", ()] == 1
    assert found["auscult_store_free_bytes", ()] < found["auscult_store_reserve_bytes", ()] == 1 << 62


def test_counters_and_histograms_are_the_sums_of_the_site() -> None:
    tally = Tally()
    for status in ("0xA700", "0xA700", "0xC000"):
        tally.count(REFUSED, status)
    tally.count(CONFIRMED, "pacs")
    for seconds in (0.5, 3.0, 4000.0):
        tally.observe(TO_REPORT, seconds)
    tally.observe(BATCH, 8)
    found = samples(STATUS, tally.take())

    assert found["auscult_objects_refused_total", ("0xA700",)] == 2
    assert found["auscult_reports_confirmed_total", ("pacs",)] == 1
    waits = {labels[0]: value for (name, labels), value in found.items() if name == f"auscult_{TO_REPORT.name}_bucket"}
    assert (waits["1.0"], waits["2.0"], waits["5.0"], waits["3600.0"], waits["+Inf"]) == (1, 1, 2, 2, 3)
    assert found[f"auscult_{TO_REPORT.name}_count", ()] == 3
    assert found[f"auscult_{TO_REPORT.name}_sum", ()] == 4003.5
    assert found["auscult_batch_images_bucket", ("4.0",)] == 0
    assert found["auscult_batch_images_bucket", ("8.0",)] == 1


def test_every_name_and_label_follows_prometheus_and_none_tells_who_sent() -> None:
    page = exposition(STATUS, {}, lambda: NOW, Room(Path("/"), 0), audit_fails=False).decode()
    families = list(text_string_to_metric_families(page))
    assert {f"auscult_{figure.name}" for figure in FIGURES} <= {family.name for family in families}
    for family in families:
        assert re.fullmatch(r"auscult_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        assert (family.type == "counter") == any(sample.name.endswith("_total") for sample in family.samples) or not (
            family.samples
        )
    labels = {figure.label for figure in FIGURES if figure.label}
    assert labels == {"result", "status", "outcome", "reason", "destination"}
