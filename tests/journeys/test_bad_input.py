"""Images that the listener accepts and that are not what the network wants: each ends in a clear state."""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEGLSLossless

from service.vocabulary.states import State
from tests import phantoms
from tests.journeys.conftest import SharedGateway
from tests.journeys.pacs import sentences
from tests.phantoms import chest
from tests.service.dicom.raw_scu import RawAssociation

GREY = np.full((320, 256), 0.5)


def without_pixels(seed: int) -> FileDataset:
    """Return an image whose header promises pixels that are not there."""
    dataset = chest(seed)
    del dataset.PixelData
    return dataset


def truncated(seed: int) -> FileDataset:
    """Return an image that has half of its pixels."""
    dataset = chest(seed)
    dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]
    return dataset


def truncated_codestream(seed: int) -> FileDataset:
    """Return an image in JPEG-LS that ends in the middle."""
    dataset = phantoms.transcoded(chest(seed), JPEGLSLossless)
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset.PixelData = encapsulate([frame[: len(frame) // 4 * 2]])
    dataset["PixelData"].is_undefined_length = True
    return dataset


def colour(seed: int) -> FileDataset:
    """Return a colour picture."""
    dataset = chest(seed, sop_class="SC", bits=8)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.PixelData = np.repeat(np.frombuffer(dataset.PixelData, np.uint8), 3).tobytes()
    return dataset


def multi_frame(seed: int) -> FileDataset:
    """Return an image of two frames."""
    dataset = chest(seed, NumberOfFrames=2)
    dataset.PixelData = dataset.PixelData * 2
    return dataset


NOT_ANALYSED = {
    "no_pixel_data": without_pixels,
    "pixels_undecodable": truncated,
    "pixels_undecodable ": truncated_codestream,
    "colour": colour,
    "multi_frame": multi_frame,
    "lateral_view": lambda seed: chest(seed, view_position="LL"),
    "too_small": lambda seed: chest(seed, rows=1, columns=1),
    "blank": lambda seed: chest(seed, values=GREY),
    "age_outside": lambda seed: chest(seed, age="067Y", birth_date=None),
}
NAMES = {
    "Japanese": ("Yamada^Tarou=山田^太郎=やまだ^たろう", ["", "ISO 2022 IR 87"]),
    "Vietnamese": ("Nguyễn^Văn An", "ISO_IR 192"),
    "Arabic": ("قباني^لنزار", "ISO_IR 127"),
}


@pytest.fixture(scope="module", autouse=True)
def _all_settled(shared_gateway: SharedGateway) -> Iterator[None]:
    yield
    assert shared_gateway.gateway.unsettled() == []


@pytest.mark.parametrize(("number", "reason"), list(enumerate(NOT_ANALYSED)))
def test_an_image_that_is_not_analysed_says_why_in_ledger_and_report(
    shared_gateway: SharedGateway, number: int, reason: str
) -> None:
    source = NOT_ANALYSED[reason](200 + number)
    assert shared_gateway.gateway.send(source) == 0x0000
    shared_gateway.gateway.wait_until_settled()
    row = shared_gateway.gateway.version(source)
    assert (row.state, row.reason) == (State.OUT_OF_SCOPE, reason.strip())
    (report,) = shared_gateway.pacs.of(source)
    assert (report.Modality, report.PatientID) == ("SR", source.PatientID)
    assert report.SeriesDescription == "AI report (preliminary)"
    assert any("NOT ANALYSED: " in line for line in sentences(report))
    assert not any("Probabilit" in line for line in sentences(report))


def test_a_study_gets_one_report_that_it_is_not_analysed_however_many_images_it_has(
    shared_gateway: SharedGateway,
) -> None:
    first = chest(230, view_position="LL")
    others = [chest(231 + number, view_position="RL", study_instance_uid=first.StudyInstanceUID) for number in range(3)]
    for source in (first, *others):
        assert shared_gateway.gateway.send(source) == 0x0000
    shared_gateway.gateway.wait_until_settled()
    assert len(shared_gateway.pacs.objects(str(first.StudyInstanceUID))) == 1
    assert {shared_gateway.gateway.version(source).reason for source in others} == {"lateral_view"}


def test_an_image_of_another_part_of_the_body_is_recorded_and_reported_to_nobody(shared_gateway: SharedGateway) -> None:
    source = chest(235, body_part="HAND", StudyDescription="Hand", view_position="")
    assert shared_gateway.gateway.send(source) == 0x0000
    shared_gateway.gateway.wait_until_settled()
    assert shared_gateway.gateway.version(source).reason == "not_chest"
    assert shared_gateway.pacs.of(source) == []


@pytest.mark.parametrize("script", NAMES)
def test_a_name_in_any_script_arrives_intact_in_the_reports(shared_gateway: SharedGateway, script: str) -> None:
    name, character_set = NAMES[script]
    source = chest(240 + list(NAMES).index(script))
    source.SpecificCharacterSet = character_set
    source.PatientName = name
    assert shared_gateway.gateway.send(source) == 0x0000
    shared_gateway.gateway.wait_until_settled()
    assert [str(report.PatientName) for report in shared_gateway.pacs.of(source)] == [name] * 3


def test_private_attributes_and_long_uids_do_no_harm(shared_gateway: SharedGateway) -> None:
    source = chest(250, sop_instance_uid="1.2.826.0.1.3680043.8." + "1234567890." * 3 + "123456789")
    block = source.private_block(0x0011, "ACME 1.1", create=True)
    block.add_new(1, "OB", bytes(range(256)))
    block.add_new(2, "SQ", [Dataset()])
    assert shared_gateway.gateway.send(source) == 0x0000
    shared_gateway.gateway.wait_until_settled()
    assert len(shared_gateway.pacs.of(source)) == 3


def test_malformed_dates_do_not_keep_an_image_from_being_analysed(shared_gateway: SharedGateway) -> None:
    source = chest(251, age=None)
    encoded = phantoms.encoded(source)
    for good, bad in ((b"20210203", b"03/02/21"), (b"20240315", b"2024-3-1")):
        assert good in encoded
        encoded = encoded.replace(good, bad)
    assert _send_encoded(shared_gateway, source, encoded) == 0x0000
    shared_gateway.gateway.wait_until_settled()
    row = shared_gateway.gateway.version(source)
    assert (row.state, row.flag_codes) == (State.DELIVERED, ["age_unknown"])
    reports = shared_gateway.pacs.of(source)
    assert len(reports) == 3
    assert {report.PatientBirthDate for report in reports} == {""}


def _send_encoded(shared_gateway: SharedGateway, source: FileDataset, encoded: bytes) -> int:
    """Send bytes that no writer of data sets would let out."""
    meta = deepcopy(source.file_meta)
    context = (1, str(source.SOPClassUID), (str(meta.TransferSyntaxUID),))
    # The group length of the file meta information says where the data set begins.
    start = 144 + int.from_bytes(encoded[140:144], "little")
    with RawAssociation(shared_gateway.gateway.port, [context]) as association:
        return association.store(encoded[start:], sop_instance_uid=str(source.SOPInstanceUID)).status
