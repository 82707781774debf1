"""A modality sends with dcmtk's programs; the reports arrive in dcmtk's storescp and in Orthanc."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests import phantoms, servers
from tests.journeys.gateway import EVERYTHING, Gateway, destination, gateway

Program = Callable[[str], str]


@dataclass(frozen=True)
class Encoding:
    """A transfer syntax: dcmtk's program that writes it (None: pydicom does), and storescu's option to propose it."""

    transfer_syntax_uid: UID
    encoder: tuple[str, ...] | None
    option: str


ENCODINGS = {
    "raw": Encoding(ExplicitVRLittleEndian, None, "-xe"),
    "big endian": Encoding(ExplicitVRBigEndian, ("dcmconv", "+tb"), "-xb"),
    "deflated": Encoding(DeflatedExplicitVRLittleEndian, ("dcmconv", "+td"), "-xd"),
    "JPEG-LS": Encoding(JPEGLSLossless, ("dcmcjpls",), "-xt"),
    "JPEG lossless": Encoding(JPEGLosslessSV1, ("dcmcjpeg",), "-xs"),
    "JPEG 2000": Encoding(JPEG2000Lossless, None, "-xv"),
    "RLE": Encoding(RLELossless, ("dcmcrle",), "-xr"),
}
SENDERS = ("storescu", "dcmsend")


@dataclass(frozen=True)
class Site:
    """What was sent, by encoding and sender, and where the reports went."""

    gateway: Gateway
    sent: Mapping[tuple[str, str], Dataset]
    in_orthanc: list[bytes]
    in_storescp: list[bytes]

    def reports(self, encoding: str, sender: str) -> list[Dataset]:
        """Return the reports in Orthanc on one image."""
        study = self.sent[encoding, sender].StudyInstanceUID
        found = [dcmread(BytesIO(content)) for content in self.in_orthanc]
        return [report for report in found if report.StudyInstanceUID == study]


@pytest.fixture(scope="module")
def site(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Send a phantom of its own in each encoding with each sender, and wait for all reports."""
    for name in ("Orthanc", "storescp", *SENDERS):
        program(name)
    folder = tmp_path_factory.mktemp("modality")
    for name in ("gateway", "orthanc", "storescp", "images"):
        (folder / name).mkdir()
    with (
        servers.storescp(folder / "storescp", ae_title="ARCHIVE") as archive,
        servers.orthanc(folder / "orthanc", callers=("AUSCULT",)) as pacs,
        gateway(
            folder / "gateway",
            [destination(pacs.dicom_port, "pacs", "ORTHANC"), destination(archive.port, "archive", "ARCHIVE")],
            parts=EVERYTHING,
        ) as running,
    ):
        sent = {}
        for number, (name, sender) in enumerate((name, sender) for name in ENCODINGS for sender in SENDERS):
            dataset = phantoms.chest(number, patient_id=f"MODALITY-{number}", sop_class="DX" if number % 2 else "CR")
            path = _encoded(program, dataset, ENCODINGS[name], folder / "images" / f"{number}.dcm")
            _send(program, sender, ENCODINGS[name], running.port, path)
            sent[name, sender] = dataset
        running.wait_until_settled()
        wanted = 3 * len(sent)
        pacs.wait_for_instances(wanted)
        files = archive.wait_for(wanted)
        in_orthanc = [pacs.file(identifier) for identifier in pacs.find("Instance")]
        yield Site(running, sent, in_orthanc, [path.read_bytes() for path in files])


def _encoded(program: Program, dataset: Dataset, encoding: Encoding, path: Path) -> Path:
    if encoding.encoder is None:
        phantoms.write(phantoms.transcoded(dataset, encoding.transfer_syntax_uid), path)  # type: ignore[arg-type]
        return path
    raw = path.with_suffix(".raw.dcm")
    phantoms.write(dataset, raw)
    name, *options = encoding.encoder
    subprocess.run([program(name), *options, str(raw), str(path)], check=True, timeout=30)
    return path


def _send(program: Program, sender: str, encoding: Encoding, port: int, path: Path) -> None:
    options = [encoding.option] if sender == "storescu" else ["-dn"]
    command = [program(sender), *options, "-aet", "MODALITY", "-aec", "AUSCULT", "127.0.0.1", str(port), str(path)]
    subprocess.run(command, check=True, timeout=30)


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_image_comes_back_as_three_reports(site: Site, encoding: str, sender: str) -> None:
    source = site.sent[encoding, sender]
    received = site.gateway.version(source)
    syntax = ENCODINGS[encoding].transfer_syntax_uid
    # dcmsend rewrites what is not compressed as it likes.
    assert received.transfer_syntax_uid == syntax or (sender == "dcmsend" and not syntax.is_encapsulated)
    reports = site.reports(encoding, sender)
    assert sorted(report.Modality for report in reports) == ["OT", "SR", "SR"]
    for report in reports:
        assert (report.PatientID, report.PatientName) == (source.PatientID, source.PatientName)
        assert (report.PatientBirthDate, report.PatientSex) == (source.PatientBirthDate, source.PatientSex)
        assert report.AccessionNumber == source.AccessionNumber
        assert report.SeriesInstanceUID != source.SeriesInstanceUID
        references = [item.value for item in report.iterall() if item.keyword == "ReferencedSOPInstanceUID"]
        assert set(references) == {source.SOPInstanceUID}
    assert len({report.SeriesInstanceUID for report in reports}) == 3


def test_both_archives_hold_the_same_objects(site: Site) -> None:
    def keys(files: list[bytes]) -> dict[str, str]:
        found = [dcmread(BytesIO(content)) for content in files]
        return {str(item.SOPInstanceUID): str(item.SOPClassUID) for item in found}

    assert keys(site.in_orthanc) == keys(site.in_storescp)
    assert len(keys(site.in_orthanc)) == 3 * len(site.sent)


def test_every_object_that_arrives_passes_dciodvfy(site: Site, program: Program, tmp_path: Path) -> None:
    validator = program("dciodvfy")
    for content in site.in_storescp:
        (tmp_path / "object.dcm").write_bytes(content)
        ran = subprocess.run(
            [validator, tmp_path / "object.dcm"], capture_output=True, text=True, timeout=30, check=False
        )
        errors = [line for line in (ran.stdout + ran.stderr).splitlines() if line.startswith("Error")]
        assert errors == []


def test_every_structured_report_that_arrives_can_be_read_by_dsrdump(
    site: Site, program: Program, tmp_path: Path
) -> None:
    dump = program("dsrdump")
    read = 0
    for content in site.in_storescp:
        if dcmread(BytesIO(content), stop_before_pixels=True).Modality != "SR":
            continue
        (tmp_path / "object.dcm").write_bytes(content)
        ran = subprocess.run(
            [dump, "+Pc", tmp_path / "object.dcm"], capture_output=True, text=True, timeout=30, check=False
        )
        assert ran.returncode == 0, ran.stderr
        assert "E: " not in ran.stderr
        assert "Pneumonia" in ran.stdout or "pneumonia" in ran.stdout
        read += 1
    assert read == 2 * len(site.sent)


def test_the_reports_are_confirmed_where_the_archive_can_be_asked(site: Site) -> None:
    for source in site.sent.values():
        states = {(row.destination, row.state) for row in site.gateway.deliveries(source)}
        assert states == {("pacs", "confirmed"), ("archive", "unconfirmable")}
