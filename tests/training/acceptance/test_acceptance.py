"""`auscult acceptance`: one page that holds everything, and machine and age from the header of DICOM."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import service.demo
from models.checkpoint import Checkpoint, default_path
from tests import phantoms
from training.acceptance.aspects import aspects_of
from training.acceptance_cli import acceptance
from training.fitting.dataset import find_images

RADIOGRAPHS = Path(service.demo.__file__).parent / "radiographs"


def test_machine_and_age_are_read_from_the_header(tmp_path: Path) -> None:
    for name in ("normal", "bacterial"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(2):
            dataset = phantoms.chest(number, patient_id=f"{name}{number}", age="004Y")
            dataset.Manufacturer, dataset.StationName = "Agfa", f"ROOM{number}"
            (tmp_path / name / f"{number}.dcm").write_bytes(phantoms.encoded(dataset))
    classes = Checkpoint.load(default_path(), verify=False).card.classes
    aspects = aspects_of(tmp_path, find_images(tmp_path, classes))
    assert aspects["machine"] == ["Agfa ROOM0", "Agfa ROOM1"] * 2
    assert aspects["age"] == ["1 to 5 years"] * 4


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the demo's nine radiographs as a site's labelled images; one label is wrong."""
    root = tmp_path_factory.mktemp("site")
    rows = ["file,class,machine,age"]
    for path in sorted(RADIOGRAPHS.glob("*.jpeg")):
        shutil.copy(path, root / path.name)
        label = "bacterial" if "bacteria" in path.name else "viral" if "virus" in path.name else "normal"
        rows.append(f"{path.name},{label},ROOM1,4")
    rows[1] = rows[1].replace("normal", "bacterial")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def test_the_report_is_one_file_with_figures_by_machine_and_pictures_of_what_is_wrong(
    site: Path, tmp_path: Path
) -> None:
    page = tmp_path / "acceptance.html"
    result = CliRunner().invoke(acceptance, ["--data", str(site), "--out", str(page)])
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert "There are too few images for it" in text
    assert "ROOM1 (too few to compare)" in text
    assert "1 to 5 years" in text
    wrong = re.findall(r"<figcaption>([^<]*)</figcaption>", text)
    assert any("bacterial called negative" in caption for caption in wrong)
    assert len(re.findall(r'src="data:image/png;base64,', text)) == len(wrong)
    assert re.findall(r"(?:src|href)=\"(?!data:)", text) == []


def test_without_enough_images_no_calibration_is_written(site: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(acceptance, ["--data", str(site), "--calibration", str(tmp_path / "site.json")])
    assert result.exit_code == 1
    assert "at least 50 images" in result.output
    assert not (tmp_path / "site.json").exists()
