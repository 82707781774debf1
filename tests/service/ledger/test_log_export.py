"""The log of a period: complete, bounded, and without names; retention leaves it alone."""

import json
from datetime import timedelta
from pathlib import Path

from service.ledger.database import reading
from service.ledger.log_export import LogExport
from tests.service.ledger.plans import statements
from tests.service.operations.test_retention import delivered, sweep
from tests.service.sample_site import SampleSite


def _lines(site: SampleSite, days: float = 1) -> list[dict[str, object]]:
    return list(LogExport(site.ledger.engine).lines(site.now - timedelta(days=days), site.now + timedelta(days=1)))


def test_a_period_s_events_and_results_are_exported_without_names(tmp_path: Path) -> None:
    site = SampleSite(tmp_path)
    before = site.receive(patient_name="Ames^Anna")
    site.now += timedelta(days=30)
    dataset = site.receive(patient_name="Brown^Berta")
    site.infer(0.97)
    site.calibrate("e" * 64)
    lines = _lines(site)
    results = [line for line in lines if line["kind"] == "result"]
    assert {line["sop_instance_uid"] for line in results} <= {dataset.SOPInstanceUID, before.SOPInstanceUID}
    assert results[-1]["outcome"] == "positive"
    assert results[-1]["checkpoint_digest"]
    assert results[-1]["calibration_digest"] == "e" * 64
    assert {"received"} <= {line["event"] for line in lines if line["kind"] == "event"}
    assert "Ames" not in json.dumps(lines)
    assert "Brown" not in json.dumps(lines)
    assert len(_lines(site, days=31)) > len(lines)
    site.close()


def test_a_period_is_found_without_reading_what_happened_before_it(tmp_path: Path) -> None:
    site = SampleSite(tmp_path)
    site.receive()
    site.infer(0.1)
    with statements(site.engine) as read:
        assert _lines(site)
    with reading(site.engine) as session:
        first = [
            str(session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()[0][3])
            for statement, parameters in read
        ]
    assert first == [
        "SEARCH events USING INDEX ix_events_at (at>? AND at<?)",
        "SEARCH predictions USING INDEX ix_predictions_created_at (created_at>? AND created_at<?)",
    ]
    site.close()


def test_retention_removes_pixels_and_no_line_of_the_log(tmp_path: Path) -> None:
    site = SampleSite(tmp_path)
    dataset = delivered(site)
    logged = _lines(site)
    site.now += timedelta(days=200)
    assert sweep(site, after_days=1).by_age > 0
    kept = _lines(site, days=201)
    assert [line for line in kept if line in logged] == logged
    assert {line["sop_instance_uid"] for line in kept if line["kind"] == "result"} == {dataset.SOPInstanceUID}
    site.close()
