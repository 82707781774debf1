"""`auscult send`, against a receiver that nobody here wrote."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import Result
from PIL import Image
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from tests import phantoms

Auscult = Callable[..., Result]


def _send(auscult: Auscult, port: int, *paths: Path) -> Result:
    return auscult("send", *map(str, paths), "--to", f"127.0.0.1:{port}", "--called", "STORESCP")


def test_instances_arrive_in_their_own_transfer_syntax_and_pictures_as_cr(
    tmp_path: Path, auscult: Auscult, storescp: Callable[..., Any]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    sent = {}
    for seed, syntax in enumerate((JPEGLSLossless, JPEG2000Lossless)):
        dataset = phantoms.transcoded(phantoms.chest(seed), syntax)
        phantoms.write(dataset, folder / f"{seed}.dcm")
        sent[dataset.SOPInstanceUID] = dataset
    Image.fromarray(np.full((60, 50), 77, np.uint8)).save(folder / "picture.png")
    (folder / "notes.txt").write_text("nothing to see")
    server = storescp()
    result = _send(auscult, server.port, folder)

    assert result.exit_code == 0, result.output
    assert "3 stored, 0 failed, 1 passed over" in result.output
    assert "notes.txt: neither DICOM, PNG nor JPEG" in result.output
    received = [dcmread(path) for path in server.received()]
    assert len(received) == 3
    for dataset in received:
        original = sent.get(dataset.SOPInstanceUID)
        if original is None:
            assert dataset.Modality == "CR"
            assert (dataset.pixel_array == 77).all()
        else:
            assert dataset.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
            assert dataset.PixelData == original.PixelData


def test_nobody_there_is_an_error_that_says_where(tmp_path: Path, auscult: Auscult) -> None:
    phantoms.write(phantoms.chest(), tmp_path / "x.dcm")
    result = _send(auscult, 1, tmp_path)

    assert result.exit_code == 1
    assert "127.0.0.1:1" in str(result.exception)


def test_a_folder_without_images_is_an_error(tmp_path: Path, auscult: Auscult) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    result = _send(auscult, 1, tmp_path)

    assert result.exit_code == 1
    assert "nothing to send" in str(result.exception)


def test_an_address_or_an_ae_title_that_cannot_be_one_is_refused(tmp_path: Path, auscult: Auscult) -> None:
    for arguments, said in (
        (("--to", "localhost", "--called", "A"), "is not HOST:PORT"),
        (("--to", "localhost:99999", "--called", "A"), "is not HOST:PORT"),
        (("--to", "localhost:1", "--called", "A TITLE THAT IS TOO LONG"), "is not an AE title"),
    ):
        result = auscult("send", str(tmp_path), *arguments)
        assert result.exit_code == 2
        assert said in result.output
