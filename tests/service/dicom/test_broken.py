"""What breaks a rule of the standard and leaves the pixels whole is read; what is cut is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

from service.dicom.identity import identify
from service.dicom.part10 import file_head
from service.dicom.pixels import decode, read_instance
from service.vocabulary.errors import UndecodablePixels
from tests import broken
from tests.broken import Broken

LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit)


def received(made: Broken) -> tuple[bytes, int]:
    """Return the file that the listener makes of a data set, and where in it that begins."""
    image = broken.whole()
    head = file_head(image.SOPClassUID, image.SOPInstanceUID, made.syntax)
    return head + made.encoded(), len(head)


@pytest.mark.parametrize("made", broken.inputs(), ids=lambda made: made.name)
def test_an_input_that_breaks_a_rule_is_read_where_its_pixels_are_whole(made: Broken, tmp_path: Path) -> None:
    """PS3.5 7.1, 7.5, 8.1.1, A.4, G.3; ITU-T T.81 B, T.87 C, T.800 A: the clause stands in each input's `source`."""
    image = broken.whole()
    content, offset = received(made)
    path = tmp_path / "received.dcm"
    path.write_bytes(content)
    identity, _, _ = identify(
        path,
        offset,
        sop_class_uid=image.SOPClassUID,
        sop_instance_uid=image.SOPInstanceUID,
        transfer_syntax_uid=made.syntax,
        maximum_bytes=10_000_000,
    )
    assert (identity.patient_id, identity.patient_name) == (image.PatientID, image.PatientName)
    assert identity.study_instance_uid == image.StudyInstanceUID

    if not made.is_whole:
        with pytest.raises(UndecodablePixels):
            decode(read_instance(BytesIO(content)))
        return
    dataset = read_instance(BytesIO(content))
    assert (dataset.PatientID, dataset.StudyInstanceUID) == (image.PatientID, image.StudyInstanceUID)
    assert dataset.PatientAge == image.PatientAge
    np.testing.assert_array_equal(decode(dataset).stored, broken.right_pixels(made))
    expected = decode(broken.whole(bits=made.bits)).display()
    if made.syntax not in LOSSY:
        # An 8-bit LUT has 256 steps.
        np.testing.assert_allclose(
            decode(dataset).display(), expected, atol=1 / 255 if "8-bit" in made.name else 1 / 4095
        )


@pytest.mark.parametrize(
    "case",
    [
        "voi_lut_narrower_than_declared",
        "empty_modality_lut",
        "number_of_frames_zero",
        "pixel_data_with_excess_padding",
        "sequence_after_pixels_without_end",
        "j2k_comment_between_last_tile_and_eoc",
    ],
)
def test_the_cases_handed_over_are_read(case: str, shared: Path) -> None:
    script = shared / "cases" / f"{case}.py"
    if not script.exists():
        pytest.skip(f"there is no {script}")
    ran = subprocess.run(
        [sys.executable, str(script)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "displayed" in ran.stdout
    assert "NOT READ" not in ran.stdout
    for difference in re.findall(r"largest difference from right ([0-9.]+)", ran.stdout):
        assert float(difference) < 1
