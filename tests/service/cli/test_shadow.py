"""`auscult shadow`: the gate through which a source leaves its shadow."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result

from service.cli.shadow_check import shadow_check
from service.vocabulary.acquisition import Acquisition, Machine
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import Opinion, Reason
from service.vocabulary.shadow import ShadowSource
from tests.service.audit.alerts import alerts
from tests.service.sample_site import SampleSite

Auscult = Callable[..., Result]
ROOM = Acquisition(Machine("Agfa", "DX-D 300", "ROOM1", ""), "PA", None)


@pytest.fixture
def trial(site: SampleSite, auscult: Auscult) -> SampleSite:
    """Give a site whose AE title TRIAL is in shadow and has sent a positive, a lateral and one that waits."""
    assert "from its next image on" in auscult("shadow", "enter", "TRIAL").output
    site.now += timedelta(seconds=5)
    image = site.receive(ae="TRIAL", acquisition=ROOM)
    site.infer(0.9)
    site.ledger.feedback.give(str(image.SOPInstanceUID), 1, Opinion.AGREE, by="Dr. A")
    site.receive(ae="TRIAL", acquisition=ROOM)
    site.exclude(Reason.LATERAL_VIEW)
    site.receive(ae="TRIAL", acquisition=ROOM)
    return site


def test_it_leaves_with_its_report_and_a_persons_name(trial: SampleSite, auscult: Auscult, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    report = auscult("shadow", "report", "TRIAL", "--out", str(page))
    assert "positive results per 100 analysed images: 100.0" in report.output
    assert "agreement with people's feedback: 1 of 1" in report.output
    assert "not analysed yet: 1" in report.output
    assert "lateral view: 1 of 3" in report.output
    assert "Go-live report of TRIAL" in page.read_text()
    assert "waits for a person" in auscult("shadow", "list").output

    left = auscult("shadow", "leave", "TRIAL", "--report", str(page), "--person", "Dr. A")
    assert "on the word of Dr. A" in left.output
    assert auscult("shadow", "list").output == "no source is in shadow\n"
    assert alerts(trial.settings) == [
        ("110131", "TRIAL was put in shadow"),
        ("110131", "TRIAL left shadow on the word of Dr. A"),
    ]


def test_it_stays_without_the_report_or_with_another_file(trial: SampleSite, auscult: Auscult, tmp_path: Path) -> None:
    file = tmp_path / "file.html"
    file.write_text("whatever")
    with pytest.raises(AuscultError, match="no go-live report was made"):
        auscult("shadow", "leave", "TRIAL", "--report", str(file), "--person", "Dr. A", catch_exceptions=False)
    auscult("shadow", "report", "TRIAL", "--out", str(tmp_path / "report.html"))
    with pytest.raises(AuscultError, match="not its last go-live report"):
        auscult("shadow", "leave", "TRIAL", "--report", str(file), "--person", "Dr. A", catch_exceptions=False)
    with pytest.raises(AuscultError, match="name the person"):
        auscult("shadow", "leave", "TRIAL", "--report", str(file), "--person", " ", catch_exceptions=False)
    assert trial.ledger.shadow.view(ShadowSource("TRIAL")) is not None


def test_it_stays_while_the_settings_name_it(
    trial: SampleSite, auscult: Auscult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    auscult("shadow", "report", "TRIAL", "--out", str(page))
    monkeypatch.setenv("AUSCULT_SHADOW__AE_TITLES", '["TRIAL"]')
    with pytest.raises(AuscultError, match="still names it"):
        auscult("shadow", "leave", "TRIAL", "--report", str(page), "--person", "Dr. A", catch_exceptions=False)
    assert "take it out of shadow.ae_titles" in auscult("shadow", "list").output


def test_a_machine_is_named_by_its_number(trial: SampleSite, auscult: Auscult, tmp_path: Path) -> None:
    assert auscult("shadow", "enter", "#1").exit_code == 0
    report = auscult("shadow", "report", "#1", "--out", str(tmp_path / "report.html"))
    assert "source: #1" in report.output
    for name, said in (("#7", "no machine has the number"), ("#x", "neither an AE title"), ("A" * 17, "neither")):
        with pytest.raises(AuscultError, match=said):
            auscult("shadow", "enter", name, catch_exceptions=False)
    with pytest.raises(AuscultError, match="is not in shadow"):
        auscult("shadow", "report", "OTHER", "--out", str(tmp_path / "other.html"), catch_exceptions=False)


def test_doctor_says_what_is_missing(trial: SampleSite) -> None:
    ((_, passed, said),) = shadow_check(trial.settings)
    assert passed
    assert "TRIAL is in shadow" in str(said)
    assert "auscult shadow report TRIAL" in str(said)
