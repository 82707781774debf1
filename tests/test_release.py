"""What a release hands over: a bill of materials, and packages that install and run beside no checkout."""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")


def run(*command: str, folder: Path, **more: str) -> str:
    """Run a command; return what it wrote to its standard output."""
    ran = subprocess.run(
        command, cwd=folder, env=os.environ | more, capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout[-2000:]}\n{ran.stderr[-3000:]}"
    return ran.stdout


@pytest.mark.slow
def test_the_bill_of_materials_has_every_locked_package_with_its_hashes(tmp_path: Path) -> None:
    (recipe,) = re.findall(r"^sbom:.*?\n\n", (ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL)
    assert "cyclonedx-py requirements" in recipe
    program = Path(sys.executable).with_name("cyclonedx-py")
    out = tmp_path / "sbom.json"
    options = ("--pyproject", "pyproject.toml", "--output-reproducible", "--validate", "--of", "JSON", "-o", str(out))
    run(str(program), "requirements", "requirements/base.txt", *options, folder=ROOT, PYTHONWARNINGS="ignore")
    bill = json.loads(out.read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "auscult")
    locked = set(
        re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==", (ROOT / "requirements/base.txt").read_text(), re.MULTILINE)
    )
    assert {component["name"] for component in bill["components"]} == locked
    assert all(part["externalReferences"][0]["hashes"] for part in bill["components"])


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give the wheel and the source distribution of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    run(str(UV), "build", "--out-dir", str(out), "--python", sys.executable, str(ROOT), folder=out)
    (wheel,), (source,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, source


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_and_the_source_hold_the_radiographs_with_their_licence(packages: tuple[Path, Path]) -> None:
    wheel, source = packages
    with tarfile.open(source) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    with zipfile.ZipFile(wheel) as archive_of_wheel:
        in_wheel = archive_of_wheel.namelist()
    for held in (in_wheel, names):
        assert sum(name.startswith("service/demo/radiographs/") and name.endswith(".jpeg") for name in held) == 9
        assert "service/demo/radiographs/README.md" in held
        assert any(name.endswith("weights.safetensors") for name in held)
        assert not any(name.startswith(("tests/", "benchmarks/", ".ci")) for name in held)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["wheel", "source"])
def test_an_installed_package_runs_the_demo_outside_the_checkout(
    packages: tuple[Path, Path], kind: str, tmp_path: Path
) -> None:
    package = packages[0] if kind == "wheel" else packages[1]
    places = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin"), "PYTHONPATH": ""}
    # The versions that are tested; uv itself takes the newest that fit.
    locked = ("--constraints", str(ROOT / "requirements" / "base.txt"))
    run(str(UV), "tool", "install", "--python", sys.executable, *locked, str(package), folder=tmp_path, **places)
    auscult = str(tmp_path / "bin" / "auscult")
    where = run(
        str(tmp_path / "tools" / "auscult" / "bin" / "python"), "-c", "import service; print(service.__file__)",
        folder=tmp_path,
    )  # fmt: skip
    assert where.startswith(str(tmp_path))
    if kind == "source":
        assert "auscult, version" in run(auscult, "--version", folder=tmp_path)
        return
    told = run(auscult, "demo", "--once", folder=tmp_path)
    assert "demo: 12 sent, 12 acknowledged, 8 reported, 4 out of scope, 0 failed" in told
