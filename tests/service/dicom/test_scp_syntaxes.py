import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import (
    HTJ2K,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from service.dicom.contexts import ENCAPSULATED_TRANSFER_SYNTAXES, PLAIN_TRANSFER_SYNTAXES, accepted
from service.dicom.part10 import file_head
from service.vocabulary.sop_classes import RADIOGRAPHS
from tests.phantoms import chest, encoded, htj2k, transcoded, write
from tests.service.dicom.raw_scu import RawAssociation
from tests.service.listening import listening

SYNTAXES = PLAIN_TRANSFER_SYNTAXES + ENCAPSULATED_TRANSFER_SYNTAXES
SUCCESS = 0x0000


def _in_syntax(transfer_syntax_uid: str) -> FileDataset:
    if transfer_syntax_uid in {HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL}:
        return htj2k(transfer_syntax_uid)[0]
    return transcoded(chest(rows=64, columns=48, bits=8), transfer_syntax_uid)


def test_every_class_of_radiographs_is_accepted_in_every_syntax() -> None:
    assert len(SYNTAXES) == 16
    assert all(accepted()[sop_class_uid] == SYNTAXES for sop_class_uid in RADIOGRAPHS)


@pytest.mark.parametrize("transfer_syntax_uid", SYNTAXES)
def test_the_bytes_are_stored_as_received(tmp_path: Path, transfer_syntax_uid: str) -> None:
    dataset = _in_syntax(transfer_syntax_uid)
    sent = _data_set_bytes(encoded(dataset))
    sop_class_uid, sop_instance_uid = str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)
    context = [(1, sop_class_uid, (transfer_syntax_uid,))]
    with listening(tmp_path) as site, RawAssociation(site.port, context) as assoc:
        answer = assoc.store(sent, sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid)
        assert answer.status == SUCCESS, answer.comment
        (instance,) = site.instances
        stored = site.stored()
    head = file_head(sop_class_uid, sop_instance_uid, transfer_syntax_uid)
    assert stored == head + sent
    assert instance.transfer_syntax_uid == transfer_syntax_uid
    assert instance.identity["patient_name"] == "Phantom^Paediatric"
    read = dcmread(BytesIO(stored))
    assert read.file_meta.TransferSyntaxUID == transfer_syntax_uid
    assert read.file_meta.FileMetaInformationGroupLength == len(head) - 144
    assert read.SOPInstanceUID == dataset.SOPInstanceUID


def _data_set_bytes(part10: bytes) -> bytes:
    """Return what follows the file meta information, whose length its first element tells."""
    return part10[144 + int.from_bytes(part10[140:144], "little") :]


@pytest.mark.parametrize(
    ("option", "transfer_syntax_uid"),
    [
        ("-xe", ExplicitVRLittleEndian),
        ("-xi", ImplicitVRLittleEndian),
        ("-xb", ExplicitVRBigEndian),
        ("-xd", DeflatedExplicitVRLittleEndian),
        ("-xr", RLELossless),
        ("-xy", JPEGBaseline8Bit),
        ("-xs", JPEGLosslessSV1),
        ("-xt", JPEGLSLossless),
        ("-xv", JPEG2000Lossless),
    ],
)
def test_dcmtk_s_storescu_delivers_in_its_syntax(
    tmp_path: Path, program: Callable[[str], str], option: str, transfer_syntax_uid: str
) -> None:
    dataset = _in_syntax(transfer_syntax_uid)
    write(dataset, tmp_path / "sent.dcm")
    with listening(tmp_path) as site:
        command = [program("storescu"), option, "-aec", "AUSCULT", "127.0.0.1", str(site.port)]
        command.append(str(tmp_path / "sent.dcm"))
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr
        assert site.instances[0].transfer_syntax_uid == transfer_syntax_uid
        stored = dcmread(BytesIO(site.stored()))
    if transfer_syntax_uid in ENCAPSULATED_TRANSFER_SYNTAXES:
        assert stored.PixelData.rstrip(b"\0") == dataset.PixelData.rstrip(b"\0")
    else:
        assert np.array_equal(stored.pixel_array, dataset.pixel_array)


def test_dcmsend_delivers_several_images(tmp_path: Path, program: Callable[[str], str]) -> None:
    files = []
    for seed, syntax in enumerate((ExplicitVRLittleEndian, JPEGLSLossless, JPEG2000Lossless, RLELossless)):
        files.append(tmp_path / f"{seed}.dcm")
        write(transcoded(chest(seed, rows=64, columns=48), syntax), files[-1])
    with listening(tmp_path) as site:
        command = [program("dcmsend"), "-aec", "AUSCULT", "127.0.0.1", str(site.port), *map(str, files)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr
        assert len(site.instances) == 4
