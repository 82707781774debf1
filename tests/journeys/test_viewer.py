"""The reports as a person sees them: OHIF, a viewer that nobody here wrote, shows each object of a report set."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset

from service.dicom.pixels import decode, read_instance
from service.report import Equipment, ReportContent, StudyContent, build
from service.texts import texts_in
from service.vocabulary.facts import PrioritySource
from service.vocabulary.findings import Outcome
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import IMAGE_KINDS, STUDY_KINDS
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
#: A study with two wide images: the one of which nothing is suspected came last.
WIDE = chest(seed=12, rows=900, columns=1400, study_instance_uid="1.2.3.77", patient_id="PHANTOM-0002")
SECOND = chest(
    seed=13,
    rows=900,
    columns=1400,
    study_instance_uid="1.2.3.77",
    series_instance_uid="1.2.3.77.2",
    patient_id="PHANTOM-0002",
    view_position="AP",
    SeriesNumber=2,
)
SECOND_CONTENT = content(
    Outcome.NEGATIVE,
    priority=CONTENT.priority,
    priority_source=PrioritySource.PREDICTION,
    number=2,
    other_images=(Outcome.POSITIVE,),
)
#: The text report of that study, as it was when one image waited, and as it is once both have a result.
ONE_BY_NOW = StudyContent(((WIDE, CONTENT), (SECOND, None)), CONTENT.priority, PrioritySource.PREDICTION)
BOTH = replace(ONE_BY_NOW, images=((WIDE, CONTENT), (SECOND, SECOND_CONTENT)), number=2)
#: Series numbers, which tell the objects apart in the viewer, with a text that each shows once it is open.
OF_STUDY = {"9900": "AI result of one image"}
SHOWN = {"9901": "not a radiologist report", "9902": "AI no pattern", "9903": "W:"}


@pytest.fixture(scope="module")
def tools(program: Callable[[str], str]) -> dict[str, str]:
    """Give the environment of the browser's driver."""
    folder = Path(os.environ.get("AUSCULT_TEST_VIEWER", "none"))
    if not (folder / "ohif" / "dist" / "index.html").is_file():
        reason = "AUSCULT_TEST_VIEWER names no folder with OHIF, such as .ci/run makes"
        (pytest.fail if os.environ.get("AUSCULT_TEST_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    driver = str((folder / "playwright-core").resolve())
    return {**os.environ, "CHROMIUM": program("chromium"), "NODE": program("node"), "PLAYWRIGHT_CORE": driver}


@pytest.fixture(scope="module", params=["ohif", "ohif-3.12"])
def seen(
    request: pytest.FixtureRequest,
    tools: dict[str, str],
    program: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Give, by series number, what the viewer's page and console say of two studies in Orthanc, and pictures of it.

    It is looked at with the newest version and the one before.

    The series of the study with two images have the letter a in front of their number.
    """
    program("Orthanc")
    folder = tmp_path_factory.mktemp("viewer")
    dist = Path(tools["PLAYWRIGHT_CORE"]).parent / request.param / "dist"
    studies = {"": [(STUDY, CONTENT)], "a": [(WIDE, CONTENT), (SECOND, SECOND_CONTENT)]}
    pages = {}
    with orthanc(tmp_path_factory.mktemp("archive"), dicom_web=True) as archive, viewer(dist, archive.url) as address:
        for letter, images in studies.items():
            for source, what in images:
                for content_ in (encoded(source), *reports(source, what)):
                    archive.store(content_)
            for document in documents() if letter == "a" else ():
                archive.store(document)
            study = f"{address}/viewer?StudyInstanceUIDs={images[0][0].StudyInstanceUID}"
            shown = OF_STUDY | SHOWN if letter == "a" else SHOWN
            for number, page in _look(tools, study, folder, letter, shown).items():
                pages[letter + number] = page
    return pages


def reports(source: Dataset, what: ReportContent) -> list[bytes]:
    image = read_instance(BytesIO(encoded(source)))
    display = decode(image, max_pixels=10**8).display()
    equipment = Equipment(version("auscult"), institution="General Hospital")
    return [item.encoded() for item in build(image, display, what, kinds=IMAGE_KINDS, equipment=equipment)]


def documents() -> Iterator[bytes]:
    """Yield the two versions of the text report of the study with two images."""
    earlier: list[Dataset] = []
    for source, what, study in ((WIDE, CONTENT, ONE_BY_NOW), (SECOND, SECOND_CONTENT, BOTH)):
        [document] = build(
            read_instance(BytesIO(encoded(source))),
            None,
            what,
            kinds=STUDY_KINDS,
            equipment=Equipment(version("auscult"), institution="General Hospital"),
            predecessors=earlier,
            study=study,
        )
        earlier = [document.dataset]
        yield document.encoded()


def _look(
    tools: dict[str, str], study: str, folder: Path, letter: str, shown: dict[str, str]
) -> dict[str, dict[str, Any]]:
    pictures = {number: folder / f"{letter}{number}.png" for number in shown}
    wanted = [part for number, text in shown.items() for part in (number, text, str(pictures[number]))]
    driver = str(Path(__file__).with_name("ohif.cjs"))
    result = subprocess.run(
        [tools["NODE"], driver, study, *wanted], env=tools, capture_output=True, text=True, timeout=240, check=False
    )
    assert result.returncode == 0, result.stderr
    pages = dict(zip(shown, json.loads(result.stdout), strict=True))
    return {number: {**page, "picture": pictures[number]} for number, page in pages.items()}


@pytest.mark.parametrize("number", [*SHOWN, *(f"a{number}" for number in OF_STUDY | SHOWN)])
def test_the_viewer_shows_each_object_without_breaking_down(seen: dict[str, dict[str, Any]], number: str) -> None:
    page = seen[number]
    assert [line for line in page["console"] if "Error Boundary" in line] == []
    assert "Something went wrong" not in page["text"]
    assert (OF_STUDY | SHOWN)[number.removeprefix("a")] in page["text"]


def test_the_viewer_shows_one_text_report_of_a_study_with_the_result_of_each_image(
    seen: dict[str, dict[str, Any]],
) -> None:
    """Of its versions it shows the latest."""
    text = seen["a9900"]["text"]
    lines = [
        "AI result: PNEUMONIA SUSPECTED in 1 of 2 images",
        "AI result: No pneumonia pattern in 1 of 2 images; other abnormalities NOT assessed",
        "Image that decides the priority: PA view, image 1 of series 1",
        "Status of this report: Preliminary AI output, not a radiologist report; verify.",
        "Image: PA view, image 1 of series 1",
        "AI result: PNEUMONIA SUSPECTED, probability 96.0 %",
        "Image: AP view, image 1 of series 2",
        "AI result: No pneumonia pattern found by AI; other abnormalities NOT assessed",
    ]
    assert [line for line in lines if line not in text] == []
    assert "NO RESULT" not in text, "as the version before said"
    assert text.splitlines().count("Finding:") == 1, "of the positive"


def test_the_viewer_shows_the_newest_report_of_a_study_and_it_names_the_others(seen: dict[str, dict[str, Any]]) -> None:
    """OHIF shows one report of a series: a positive must not hide behind the negative that came after it."""
    text = seen["a9901"]["text"]
    lines = [
        "AI result: No pneumonia pattern found by AI; other abnormalities NOT assessed",
        "Suggested reading priority: URGENT, by the AI result of another image of this study",
        "Other images of this study: 1 PNEUMONIA SUSPECTED",
        "Image: AP view, image 1 of series 2",
        "AI probability of pneumonia: 3 %",
    ]
    assert [line for line in lines if line not in text] == []
    assert {line for line in text.splitlines() if line.startswith("S:99")} == {"S:9900", "S:9901", "S:9902", "S:9903"}
    # The sentence burnt into the newest picture, in the colour of a positive.
    assert pixels(seen["a9903"]["picture"], lambda red, green, blue: (red > 200) & (red - blue > 120)) > 1000


def test_no_number_beside_a_region_is_cut_off_at_the_edge_of_a_wide_film(seen: dict[str, dict[str, Any]]) -> None:
    with Image.open(seen["a9902"]["picture"]) as image:
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(np.int16), 2, 0)
    label = ((green > 180) & (red < 80) & (blue < 80)).any(axis=0).nonzero()[0]
    assert len(label) > 100
    assert label.max() < 1236, "the viewport ends at 1242"


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
