"""The audit of the dependencies: what it says of a report, and that it fails no build for want of a network."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

AUDIT: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "requirements" / "audit.py"))


def test_a_known_vulnerability_is_told_with_the_version_that_mends_it(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    vulnerable = {"name": "a", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
    others = [{"name": "b", "version": "2.0", "vulns": []}, {"name": "c", "skip_reason": "unknown"}]
    report.write_text(json.dumps({"dependencies": [vulnerable, *others]}))
    assert AUDIT["findings"](report) == (["a 1.0: CVE-1, mended in 1.1"], 2, 3)


def test_a_source_that_cannot_be_reached_is_told_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\nraise SystemExit('no route to a host')\n")
    program.chmod(0o755)
    monkeypatch.setitem(AUDIT["main"].__globals__, "PROGRAM", program)
    AUDIT["main"]()
    assert capsys.readouterr().out == (
        "known vulnerabilities: not checked: the source of known vulnerabilities cannot be reached\n"
    )
