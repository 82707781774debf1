"""Messages as a RIS writes them."""

from service.hl7.encoding import header, segment

UID = "1.2.840.99.7"


def msh(kind: str = "ORU^R01^ORU_R01", number: str = "M1", **changes: str) -> str:
    """Return MSH; its fields are changed by ``msh_3="OTHER"``."""
    fields = {3: "RIS", 4: "HOSP", 5: "AUSCULT", 7: "20260301120000", 9: kind, 10: number, 11: "P", 12: "2.5.1"}
    return header(fields | {18: ""} | {int(name[4:]): value for name, value in changes.items()})


def message(*segments: str) -> bytes:
    """Return segments as a message."""
    return "".join(f"{one}\r" for one in segments).encode()


PID = segment("PID", {1: "1", 3: "P-1^^^HOSP^MR", 5: "Lam^Anh^^^^^L", 7: "19800102", 8: "F"})
PV1 = segment("PV1", {1: "1", 2: "E"})


def request(accession: str, status: str = "F") -> str:
    """Return OBR of one study."""
    return segment("OBR", {1: "1", 2: "PL-1", 3: "FI-1", 4: "CXR^Chest^L", 18: accession, 25: status})


def result(status: str = "F", *, accession: str = "A-1", uid: str = "", number: str = "M1", **changes: str) -> bytes:
    """Return ORU^R01 of one study."""
    observed = ["OBX|1|TX|19005-8^Impression^LN||No acute finding.||||||" + (status or "F")]
    if uid:
        observed.append(f"OBX|2|HD|113014^DICOM Study^DCM||{uid}||||||O")
    lines = [PID, PV1, "ORC|RE|PL-1|FI-1", request(accession, status), *observed]
    return message(msh(number=number, **changes), *lines)


def order(
    control: str = "NW", status: str = "", *, priority: str = "S", accession: str = "A-1", number: str = "M1"
) -> bytes:
    """Return ORM^O01 of one study."""
    control_segment = segment("ORC", {1: control, 2: "PL-1", 5: status, 7: f"^^^^^{priority}"})
    requested = segment(
        "OBR", {1: "1", 2: "PL-1", 4: "CXR^Chest^L", 13: "clinical", 18: accession, 31: "R05^Cough^I10"}
    )
    return message(
        msh("ORM^O01^ORM_O01", number), PID, PV1, control_segment, requested, f"ZDS|{UID}^100^Application^DICOM"
    )
