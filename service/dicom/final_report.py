"""Whether a received document says that a person has read the study: complete, and verified by an observer.

The report of a person is no report of ours, nor of another device: the observer who verifies is a person or an
organisation that is responsible for the content (PS3.3 section C.17.2). Measurements, dose reports and the findings of
computer-aided detection are documents of other SOP classes, or not verified.

Which images it is about stands in its evidence: some PACS file the report of an earlier study into the new one.
"""

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from itertools import takewhile
from pathlib import Path

from service.dicom.bytes_at import BytesAt
from service.dicom.elements import Element, Elements
from service.dicom.header import elements_in, read_values
from service.vocabulary.errors import NotDicom

#: Basic Text, Enhanced, Comprehensive, Comprehensive 3D and Extensible SR (PS3.4 Table B.5-1).
DOCUMENTS = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (11, 22, 33, 34, 35))

_COMPLETION_FLAG = 0x0040A491
_VERIFICATION_FLAG = 0x0040A493
_PRELIMINARY_FLAG = 0x0040A496
_WANTED = frozenset({_COMPLETION_FLAG, _VERIFICATION_FLAG, _PRELIMINARY_FLAG})

_CURRENT_EVIDENCE = 0x0040A375
_OTHER_EVIDENCE = 0x0040A385
_REFERENCED_SERIES = 0x00081115
_REFERENCED_INSTANCES = 0x00081199
_REFERENCED_UID = 0x00081155
#: Longest evidence that is looked at; some thousands of images.
_MAXIMUM_EVIDENCE_BYTES = 1024**2


def evidence_of_final_report(
    path: Path, offset: int, sop_class_uid: str, transfer_syntax_uid: str, maximum_bytes: int
) -> frozenset[str] | None:
    """Return the SOP Instance UIDs that a person's final report names as its evidence; None of another document.

    The evidence of the current procedure, and where that names nothing the other evidence. Empty where it names
    nothing at all. What cannot be read is no final report.

    Parameters
    ----------
    path, offset
        The file, and where in it the data set begins.
    maximum_bytes
        Most bytes that a deflated data set may inflate to.

    References
    ----------
    PS3.3 section C.17.2, Table C.17-2 and Table C.17-3
    """
    if sop_class_uid not in DOCUMENTS:
        return None
    with path.open("rb") as file:
        size = file.seek(0, 2)
        try:
            file.seek(offset)
            if not _is_final(read_values(file, size, transfer_syntax_uid, _WANTED, maximum_bytes)):
                return None
            file.seek(offset)
            elements = elements_in(file, size, transfer_syntax_uid, maximum_bytes)
            return _named(elements, _CURRENT_EVIDENCE) or _named(elements, _OTHER_EVIDENCE)
        except NotDicom:
            return None


def _is_final(values: Mapping[int, bytes]) -> bool:
    return (
        _word(values, _COMPLETION_FLAG) == "COMPLETE"
        and _word(values, _VERIFICATION_FLAG) == "VERIFIED"
        and _word(values, _PRELIMINARY_FLAG) != "PRELIMINARY"
    )


def _word(values: Mapping[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("ascii", "replace").strip("\0 ")


def _named(elements: Elements, evidence: int) -> frozenset[str]:
    """Return the SOP Instance UIDs that stand in an evidence sequence.

    References
    ----------
    PS3.3 Table C.17-3 and Table C.17-3a
    """
    front = takewhile(lambda element: element.tag <= evidence, elements)
    uids = (
        instances.value(uid).decode("ascii", "replace").strip("\0 ")
        for procedures in _inside(elements, front, evidence)
        for series in _inside(procedures, procedures, _REFERENCED_SERIES)
        for instances in _inside(series, series, _REFERENCED_INSTANCES)
        for uid in instances
        if uid.tag == _REFERENCED_UID
    )
    return frozenset(uid for uid in uids if uid)


def _inside(elements: Elements, looked_at: Iterable[Element], sequence: int) -> Iterator[Elements]:
    """Yield what stands in the sequences of a tag, the elements of all items one after the other."""
    for element in looked_at:
        if element.tag == sequence:
            if element.end - element.start > _MAXIMUM_EVIDENCE_BYTES:
                raise NotDicom("the evidence names more than can be looked at")
            value = elements.value(element)
            yield Elements(BytesAt(BytesIO(value), len(value)), 0, elements.order, implicit=element.implicit)
