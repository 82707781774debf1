"""The reports as a person sees them: OHIF, a viewer that nobody here wrote, shows each object of a report set."""

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.dicom.pixels import decode, read_instance
from service.report import Equipment, build
from service.texts import texts_in
from service.vocabulary.facts import PrioritySource
from service.vocabulary.findings import Outcome
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import ReportKind
from tests.ohif import viewer
from tests.phantoms import chest, encoded
from tests.servers import orthanc
from tests.service.report.samples import content, prediction
from training.card.provenance import PNEUMONIA_ALONE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LIMITS = PNEUMONIA_ALONE["en"]
#: A study with one image and its report set: a synthetic phantom, and a result that was made up for it.
STUDY = chest(seed=11, rows=1100, columns=900, patient_name="Phantom^Synthetic", StudyDescription="Chest PA")
CONTENT = content(
    Outcome.POSITIVE,
    prediction=prediction(Outcome.POSITIVE, checkpoint_name="resnet50-three-class", checkpoint_version="0.1.0"),
    limits=LIMITS,
    flags=(),
    priority_source=PrioritySource.PREDICTION,
    content_time=datetime(2024, 3, 15, 9, 31, 2, tzinfo=UTC),
)
#: Series numbers, which tell the objects apart in the viewer, with a text that each shows once it is open.
SHOWN = {"9901": "not a radiologist report", "9902": "AI bacterial", "9903": "W:"}


@pytest.fixture(scope="module")
def tools(program: Callable[[str], str]) -> dict[str, str]:
    """Give the environment of the browser's driver."""
    folder = Path(os.environ.get("AUSCULT_TEST_VIEWER", "none"))
    if not (folder / "ohif" / "dist" / "index.html").is_file():
        reason = "AUSCULT_TEST_VIEWER names no folder with OHIF, such as .ci/run makes"
        (pytest.fail if os.environ.get("AUSCULT_TEST_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    driver = str((folder / "playwright-core").resolve())
    return {**os.environ, "CHROMIUM": program("chromium"), "NODE": program("node"), "PLAYWRIGHT_CORE": driver}


@pytest.fixture(scope="module")
def seen(
    tools: dict[str, str], program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """Give, by series number, what the viewer's page and console say of a study in Orthanc, and a picture of it."""
    program("Orthanc")
    folder = tmp_path_factory.mktemp("viewer")
    source = read_instance(BytesIO(encoded(STUDY)))
    display = decode(source, max_pixels=10**8).display()
    equipment = Equipment(version("auscult"), institution="General Hospital")
    objects = build(source, display, CONTENT, kinds=tuple(ReportKind), equipment=equipment)
    dist = Path(tools["PLAYWRIGHT_CORE"]).parent / "ohif" / "dist"
    with orthanc(tmp_path_factory.mktemp("archive"), dicom_web=True) as archive, viewer(dist, archive.url) as address:
        for content_ in (encoded(STUDY), *(item.encoded() for item in objects)):
            archive.store(content_)
        wanted = [part for number, text in SHOWN.items() for part in (number, text, str(folder / f"{number}.png"))]
        result = subprocess.run(
            [
                tools["NODE"],
                str(Path(__file__).with_name("viewer.cjs")),
                f"{address}/viewer?StudyInstanceUIDs={STUDY.StudyInstanceUID}",
                *wanted,
            ],
            env=tools,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert result.returncode == 0, result.stderr
    pages = dict(zip(SHOWN, json.loads(result.stdout), strict=True))
    return {number: {**page, "picture": folder / f"{number}.png"} for number, page in pages.items()}


@pytest.mark.parametrize("number", SHOWN)
def test_the_viewer_shows_each_object_without_breaking_down(seen: dict[str, dict[str, Any]], number: str) -> None:
    assert [line for line in seen[number]["console"] if "Error Boundary" in line] == []
    assert "Something went wrong" not in seen[number]["text"]
    assert SHOWN[number] in seen[number]["text"]


def test_the_text_report_is_a_readable_tree(seen: dict[str, dict[str, Any]]) -> None:
    text = seen["9901"]["text"]
    lines = ["AI result: PNEUMONIA SUSPECTED, probability 96.0 %", f"Limits: {LIMITS}"]
    lines.append(texts_in(Language.ENGLISH)("report.disclaimer"))
    assert [line for line in [*lines, "Bacterial pneumonia"] if line not in text] == []


def test_the_measurement_report_prints_its_probabilities_over_the_image(seen: dict[str, dict[str, Any]]) -> None:
    text = seen["9902"]["text"]
    assert "AI pneumonia: 96.00 %" in text
    assert "AI bacterial: 83.00 %" in text
    # The phantom is grey and the viewer's own colours are blue: only the region is drawn in green.
    assert pixels(seen["9902"]["picture"], lambda red, green, blue: (green > 180) & (red < 80) & (blue < 80)) > 200


def test_the_heat_map_is_shown_in_colour(seen: dict[str, dict[str, Any]]) -> None:
    # The map's amber, over a place large enough to be the map and not a label.
    assert pixels(seen["9903"]["picture"], lambda red, green, blue: (red > 100) & (red - blue > 60)) > 5000


def pixels(picture: Path, has_colour: Callable[..., Any]) -> int:
    """Return how many pixels of a picture have a colour."""
    with Image.open(picture) as image:
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(np.int16), 2, 0)
    return int(has_colour(red, green, blue).sum())
