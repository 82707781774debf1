"""An export of opinions: what training and evaluation read, and nothing that tells whose an image is."""

import csv
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from service.dicom.pixels import decode
from service.feedback_export import class_of, export_feedback
from service.ledger import LabelledResult
from service.vocabulary.facts import LeftOut, Opinion
from service.vocabulary.findings import Finding
from tests.service.sample_site import SampleSite
from training.fitting.dataset import find_images, read_display_values

CLASSES = ("NORMAL", "BACTERIA", "VIRUS")


def judged(
    site: SampleSite, p_pneumonia: float, *said: tuple[Opinion, Finding | None], **attributes: object
) -> Dataset:
    dataset = site.receive(**attributes)  # type: ignore[arg-type]
    site.infer(p_pneumonia)
    for number, (opinion, finding) in enumerate(said):
        site.ledger.feedback.give(
            str(dataset.SOPInstanceUID), 1, opinion, finding=finding, comment="Nguyen, room 4", by=f"reader {number}"
        )
    return dataset


def export(
    site: SampleSite, folder: Path, *, with_pixels: bool = True, two_classes: bool = False
) -> Counter[LeftOut | None]:
    return export_feedback(
        site.ledger.feedback.labelled(),
        site.store,
        folder,
        with_pixels=with_pixels,
        two_classes=two_classes,
        maximum_pixels=10**8,
    )


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_and_evaluation_read_what_is_exported(site: SampleSite, tmp_path: Path) -> None:
    bacterial = judged(site, 0.9, (Opinion.AGREE, Finding.BACTERIAL_PNEUMONIA), patient_id="P-1")
    judged(site, 0.1, (Opinion.AGREE, None), patient_id="P-1")
    judged(site, 0.9, (Opinion.DISAGREE, None), patient_id="P-2")
    assert export(site, tmp_path / "out") == {None: 3}

    images = find_images(tmp_path / "out", CLASSES)
    assert sorted(image.target for image in images) == [0, 0, 1]
    assert len({image.group for image in images}) == 2
    (picture,) = [image for image in images if image.target == 1]
    assert np.abs(read_display_values(picture.path) - decode(bacterial).display()).max() <= 1 / 65535


def test_nothing_in_the_folder_tells_whose_an_image_is(site: SampleSite, tmp_path: Path) -> None:
    dataset = judged(
        site,
        0.9,
        (Opinion.DISAGREE, Finding.NORMAL),
        patient_id="P-4711",
        patient_name="Nguyen^An",
        accession_number="ACC-9",
    )
    export(site, tmp_path / "out")

    files = sorted((tmp_path / "out").iterdir())
    everything = b"".join(path.name.encode() + path.read_bytes() for path in files)
    secrets = ["4711", "Nguyen", "ACC-9", "reader", "room", str(dataset.StudyDate), str(dataset.SOPInstanceUID)]
    assert [secret for secret in secrets if secret.encode() in everything] == []
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    assert chunks(next(path for path in files if path.suffix == ".png").read_bytes()) == {b"IHDR", b"IDAT", b"IEND"}


def chunks(png: bytes) -> set[bytes]:
    """Return the kinds of chunks of a PNG file."""
    found, place = set(), 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        found.add(png[place + 4 : place + 8])
        place += 12 + length
    return found


def test_keys_are_of_one_export_alone(site: SampleSite, tmp_path: Path) -> None:
    judged(site, 0.1, (Opinion.AGREE, None))
    export(site, tmp_path / "one")
    export(site, tmp_path / "two")
    (first,), (second,) = rows_of(tmp_path / "one"), rows_of(tmp_path / "two")
    assert first["file"] != second["file"]
    assert first["group"] != second["group"]


def test_without_pixels_the_labels_stand_beside_what_the_ai_said(site: SampleSite, tmp_path: Path) -> None:
    judged(site, 0.9, (Opinion.DISAGREE, None))
    export(site, tmp_path / "out", with_pixels=False)

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.csv"]
    (row,) = rows_of(tmp_path / "out")
    assert (row["class"], row["ai_outcome"], row["ai_probability"]) == ("NORMAL", "positive", "0.9000")


def test_what_cannot_be_labelled_is_left_out_and_counted(site: SampleSite, tmp_path: Path) -> None:
    judged(site, 0.9, (Opinion.AGREE, None))
    judged(site, 0.9, (Opinion.AGREE, None), (Opinion.DISAGREE, None))
    judged(site, 0.4, (Opinion.AGREE, None))
    judged(site, 0.9, (Opinion.NOT_ASSESSABLE, None))
    judged(site, 0.1, (Opinion.AGREE, None), BurnedInAnnotation="YES")
    lost = judged(site, 0.1, (Opinion.AGREE, None))
    view = site.ledger.inspection.instance(str(lost.SOPInstanceUID))
    assert view is not None
    site.store.path(view.object_key).unlink()

    assert export(site, tmp_path / "out") == {
        LeftOut.NO_CLASS: 1,
        LeftOut.CONTRADICTION: 1,
        LeftOut.NO_LABEL: 2,
        LeftOut.BURNED_IN: 1,
        LeftOut.NO_PIXELS: 1,
    }
    assert rows_of(tmp_path / "out") == []
    assert export(site, tmp_path / "two", with_pixels=False, two_classes=True)[None] == 3


def test_a_folder_that_holds_something_is_left_as_it_is(site: SampleSite, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        export(site, tmp_path)


@given(
    said=st.lists(st.tuples(st.sampled_from(Opinion), st.none() | st.sampled_from(Finding)), min_size=1, max_size=4),
    p_pneumonia=st.sampled_from([0.1, 0.4, 0.9]),
)
def test_the_order_of_opinions_never_matters_and_two_who_differ_give_no_label(
    said: list[tuple[Opinion, Finding | None]], p_pneumonia: float
) -> None:
    result = _labelled(p_pneumonia, tuple(said))
    label = class_of(result, two_classes=True)

    assert label == class_of(_labelled(p_pneumonia, tuple(reversed(said))), two_classes=True)
    named = {finding for opinion, finding in said if finding is not None and opinion is not Opinion.NOT_ASSESSABLE}
    if Finding.NORMAL in named and len(named) > 1:
        assert label is LeftOut.CONTRADICTION


def _labelled(p_pneumonia: float, said: tuple[tuple[Opinion, Finding | None], ...]) -> LabelledResult:
    from dataclasses import asdict
    from types import SimpleNamespace

    from tests.service.sample_site import prediction

    summary = SimpleNamespace(**asdict(prediction(p_pneumonia)))
    return LabelledResult(SimpleNamespace(result=summary), said)  # type: ignore[arg-type]
