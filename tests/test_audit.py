"""The audit of the dependencies: what it says of a report, and that it fails no build for want of a network."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

AUDIT: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "requirements" / "audit.py"))


def assert_ends_with(status: int) -> None:
    with pytest.raises(SystemExit) as ended:
        AUDIT["main"]()
    assert int(ended.value.code or 0) == status


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
    assert_ends_with(0)
    away = "not checked: the source of known vulnerabilities cannot be reached"
    assert capsys.readouterr().out == f"known vulnerabilities: base: {away}\nknown vulnerabilities: gpu: {away}\n"


def test_what_a_gpu_worker_installs_is_looked_up_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "pip-audit"
    # It knows of a vulnerability in torch, of which the base set has none.
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, sys\n"
        "value = dict(zip(sys.argv[1:], sys.argv[2:]))\n"
        "has_torch = 'torch==' in pathlib.Path(value['--requirement']).read_text()\n"
        "vulns = [{'id': 'CVE-2', 'fix_versions': []}] if has_torch else []\n"
        "packages = [{'name': 'torch', 'version': '0', 'vulns': vulns}]\n"
        "pathlib.Path(value['--output']).write_text(json.dumps({'dependencies': packages}))\n"
    )
    program.chmod(0o755)
    monkeypatch.setitem(AUDIT["main"].__globals__, "PROGRAM", program)
    assert_ends_with(1)
    assert capsys.readouterr().out == (
        "known vulnerabilities: base: none in 1 packages\nknown vulnerability: gpu: torch 0: CVE-2, mended in none\n"
    )
