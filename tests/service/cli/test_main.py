"""`auscult` itself: how a command ends that nobody foresaw to fail."""

import os
from pathlib import Path

import click
import pytest

from service import cli


@click.command()
def failing() -> None:
    """Fail, with a patient's name in what the error says."""
    raise LookupError("Geheim")


def test_an_unforeseen_error_is_one_line_that_says_where_and_nothing_of_the_patient(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli._COMMANDS, "status", f"{__name__}:failing")
    monkeypatch.setattr("sys.argv", ["auscult", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert ended.value.code == os.EX_SOFTWARE
    assert told.out == ""
    assert told.err.startswith("auscult: unforeseen: LookupError at ")
    assert f"{Path(__file__).name}:15" in told.err
    assert "Geheim" not in told.err
    assert told.err.count("\n") == 1
