"""A fuzzer led by coverage, bounded; `make fuzz` lets it run on."""

import importlib.util
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.dicom.header import read_values
from tests.campaigns import parsers

ROOT = Path(__file__).resolve().parents[2]
has_fuzzer = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this machine"
)


def assert_nothing_is_found(number: int, folder: Path) -> None:
    # In a process of its own: libFuzzer ends its process, and instruments what it imports.
    command = [sys.executable, "-m", "tests.campaigns.guided", str(number), "1", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, errors="replace", timeout=1000, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-1000:]
    assert f"stat::number_of_executed_units: {number}" in ran.stderr
    assert list(folder.glob("failed-*")) == []


@pytest.mark.parametrize("index", range(4))
def test_a_value_that_pydicom_reads_differently_is_found(monkeypatch: pytest.MonkeyPatch, index: int) -> None:
    (seed,) = [
        seed for seed in parsers.seeds() if seed[:2] == bytes((parsers.TAKERS.index(parsers.take_header), index))
    ]
    parsers.take(seed)

    def read_too_little(*arguments: Any) -> dict[int, bytes]:
        values = read_values(*arguments)
        return {tag: value for tag, value in values.items() if tag != 0x00100020}

    monkeypatch.setattr(parsers, "read_values", read_too_little)
    with pytest.raises(AssertionError, match="pydicom reads another value"):
        parsers.take(seed)


def test_where_an_item_is_longer_than_its_sequence_pydicom_is_not_asked() -> None:
    # Ours looks for where the data set goes on; pydicom believes the length, and takes the last M for a tag's.
    patient = struct.pack("<HHL2s", 0x0010, 0x0020, 2, b"ID") + struct.pack("<HHL", 0x0010, 0x1002, 8)
    odd = bytes.fromhex("feff00e0") + b"\0DICM" + bytes.fromhex("0010100400000030303359")
    study = struct.pack("<HHL4s", 0x0020, 0x000D, 4, b"2.25") + struct.pack("<HHLH", 0x0028, 0x0010, 2, 1)
    parsers.take(bytes((parsers.TAKERS.index(parsers.take_header), 1)) + patient + odd + study)


@has_fuzzer
@pytest.mark.timeout(300)  # so many inputs take a machine that is busy longer than the others' limit
def test_a_fuzzer_led_by_coverage_finds_no_bytes_that_our_parsers_choke_on(tmp_path: Path) -> None:
    assert_nothing_is_found(4_000, tmp_path)


@has_fuzzer
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_fuzzer_led_by_coverage_finds_none_either_when_it_runs_on(tmp_path: Path) -> None:
    assert_nothing_is_found(200_000, tmp_path)
