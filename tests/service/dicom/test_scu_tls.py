"""TLS towards destinations: dcmtk's storescp and Orthanc."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from service.dicom.scu import DestinationAssociation
from service.settings import DestinationSettings
from service.vocabulary.errors import TransientDeliveryFailure
from tests.certificates import Authority, Issued
from tests.phantoms import chest, instance_file


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Issued:
    return authority.issue("auscult")


@pytest.fixture(scope="module")
def pacs(authority: Authority) -> Issued:
    return authority.issue("pacs")


def associate(
    port: int, authority: Authority, own: Issued | None, called: str = "PACS", **tls: Any
) -> DestinationAssociation:
    shown = {} if own is None else own.settings()
    settings = {"ca": str(authority.ca)} | shown | tls
    return DestinationAssociation(
        DestinationSettings(name="pacs", ae_title=called, host="127.0.0.1", port=port, tls=settings, connect_timeout=5),
        "AUSCULT",
    )


def test_a_report_goes_to_dcmtk_s_storescp_with_certificates_on_both_sides(
    storescp: Callable[..., Any], authority: Authority, own: Issued, pacs: Issued
) -> None:
    there = storescp("+xa", "+tls", str(pacs.key), str(pacs.certificate), "+cf", str(authority.ca), "+py")
    sent = chest(rows=300, columns=200, sop_class="SC")
    with associate(there.port, authority, own) as association:
        assert association.store(instance_file(sent)) == 0x0000
        association.echo()
    (received,) = there.wait_for(1)
    assert dcmread(received).SOPClassUID == SecondaryCaptureImageStorage


def test_a_destination_that_is_not_trusted_gets_nothing_and_the_reason_is_told(
    storescp: Callable[..., Any], tmp_path: Path, authority: Authority, own: Issued, pacs: Issued
) -> None:
    there = storescp("+xa", "+tls", str(pacs.key), str(pacs.certificate), "+cf", str(authority.ca))
    elsewhere = Authority(tmp_path, "elsewhere")
    cases: list[tuple[Authority, Issued | None, dict[str, Any], str]] = [
        (elsewhere, own, {}, "(unable to get local issuer|self-signed) certificate"),
        (authority, own, {"server_name": "pacs.hospital.example"}, "Hostname mismatch"),
        (authority, None, {}, "whether it accepts our certificate|TLS with the destination failed"),
        (authority, own, {"key": str(pacs.key)}, "does not belong to the certificate"),
        (authority, own, {"ca": str(tmp_path / "absent")}, "cannot be read"),
    ]
    for trusted, shown, tls, said in cases:
        with pytest.raises(TransientDeliveryFailure, match=said):
            associate(there.port, trusted, shown, **tls).echo()
    with associate(there.port, authority, own, server_name="pacs.hospital.example", check_name=False) as association:
        association.echo()
    assert there.received() == []


def test_a_destination_without_tls_is_told_as_such(
    storescp: Callable[..., Any], authority: Authority, own: Issued
) -> None:
    with pytest.raises(TransientDeliveryFailure):
        associate(storescp().port, authority, own).echo()


def test_a_renewed_certificate_counts_from_the_next_association(
    storescp: Callable[..., Any], tmp_path: Path, authority: Authority, own: Issued, pacs: Issued
) -> None:
    there = storescp("+xa", "+tls", str(pacs.key), str(pacs.certificate), "+cf", str(authority.ca))
    stranger = Authority(tmp_path, "stranger").issue("intruder")
    files = Issued(tmp_path / "own.pem", tmp_path / "own.key")
    association = associate(there.port, authority, files)
    for issued, is_accepted in ((stranger, False), (own, True)):
        for source, target in zip(issued, files, strict=True):
            shutil.copy(source, target)
        if is_accepted:
            association.echo()
        else:
            with pytest.raises(TransientDeliveryFailure):
                association.echo()
    association.close()


def test_orthanc_takes_a_report_over_tls_and_is_asked_for_it(
    orthanc: Callable[..., Any], authority: Authority, own: Issued, pacs: Issued
) -> None:
    archive = orthanc(
        callers=["AUSCULT"],
        settings={
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(pacs.certificate),
            "DicomTlsPrivateKey": str(pacs.key),
            "DicomTlsTrustedCertificates": str(authority.ca),
        },
    )
    sent = chest(rows=300, columns=200, sop_class="SC")
    with associate(archive.dicom_port, authority, own, "ORTHANC") as association:
        assert association.store(instance_file(sent)) == 0x0000
        assert association.holds(sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
    assert archive.count_instances() == 1
