"""`auscult simulate`."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import Result

from service.vocabulary.errors import AuscultError
from service.vocabulary.states import Priority
from tests.service.sample_site import SampleSite

Auscult = Callable[..., Result]


def test_a_log_is_shown_in_three_orders_at_each_load_with_a_picture(
    site: SampleSite, auscult: Auscult, tmp_path: Path
) -> None:
    log, plot = tmp_path / "log.csv", tmp_path / "waits.svg"
    rows = [f"2026-03-01T{8 + n // 6:02d}:{n % 6}0,{'stat' if n % 7 == 0 else 'routine'}," for n in range(60)]
    log.write_text("arrived,priority,reading_seconds\n" + "\n".join(rows) + "\n")
    result = auscult("simulate", "--log", str(log), "--load", "0.9", "--load", "1.2", "--plot", str(plot))
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if line.strip()]
    assert [sum(order in line for line in lines) for order in ("first come", "our order", "strict")] == [6, 6, 6]
    assert len(ET.fromstring(plot.read_bytes()).findall("{http://www.w3.org/2000/svg}rect")) == 36


def test_the_gateway_s_own_studies_can_be_taken(site: SampleSite, auscult: Auscult) -> None:
    for number in range(4):
        site.receive(at=site.now + timedelta(minutes=7 * number), order=Priority(number % 3))
    result = auscult("simulate", "--from-ledger", "--load", "0.9")
    assert result.exit_code == 0, result.output
    assert "STAT" in result.output


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("yesterday,stat,", "line 3"),
        ("2026-03-01T09:00,high,", "line 3"),
        ("2026-03-01T09:00,stat,-1", "line 3"),
        ("2026-03-01T09:00,stat,nan", "line 3"),
        ("2026-03-01T08:00,stat,", "two studies"),
        ("x" * 200_000, "CSV"),
    ],
)
def test_a_log_that_cannot_be_used_is_told(
    site: SampleSite, auscult: Auscult, tmp_path: Path, line: str, told: str
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(f"arrived,priority,reading_seconds\n2026-03-01T08:00,stat,60\n{line}\n")
    error = auscult("simulate", "--log", str(log)).exception
    assert isinstance(error, AuscultError)
    assert told in str(error)


def test_neither_a_log_nor_the_ledger_or_both_is_told(site: SampleSite, auscult: Auscult, tmp_path: Path) -> None:
    for arguments in ((), ("--from-ledger", "--log", "x")):
        assert "--from-ledger" in str(auscult("simulate", *arguments).exception)
    assert "CSV" in str(auscult("simulate", "--log", str(tmp_path / "none.csv")).exception)
